/** A key as its owner sees it. The secret is in none of it. */
import type * as z from 'zod'
import { type KeyLimits, type Tier, tighten } from '../../../shared/accounts.ts'
import type { keyRecordAnswer, LimitsBody } from '../../../shared/contracts/api-keys.ts'
import type { KeyRow } from './acting-key.ts'

export function keyAnswer(row: KeyRow, tier: Tier, nowMs: number): z.infer<typeof keyRecordAnswer> {
  const isOver = row.expiresAt !== null && row.expiresAt.getTime() <= nowMs
  return {
    id: row.id,
    name: row.name,
    key_type: row.type,
    key_purpose: row.purpose,
    key_prefix: row.prefix,
    prefix: row.prefix,
    scopes: row.scopes,
    external_user_id: row.externalUser,
    rate_limit_rpm: tighten(tier, row.limits).requestsPerMinute,
    limits: row.limits === null ? null : limitsAnswer(row.limits),
    pin: row.pin,
    status: row.status === 'active' && isOver ? 'expired' : row.status,
    expires_at: row.expiresAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
  }
}

export const limitsAnswer = (limits: KeyLimits): LimitsBody => ({
  concurrency: limits.concurrency,
  rate_limit_rpm: limits.requestsPerMinute,
  max_size: limits.maxSize,
  max_timeout_sec: limits.maxTimeoutSec,
  max_body_mib: limits.maxBodyMib,
})

export const limitsOfBody = (body: LimitsBody): KeyLimits => ({
  ...(body.concurrency === undefined ? {} : { concurrency: body.concurrency }),
  ...(body.rate_limit_rpm === undefined ? {} : { requestsPerMinute: body.rate_limit_rpm }),
  ...(body.max_size === undefined ? {} : { maxSize: body.max_size }),
  ...(body.max_timeout_sec === undefined ? {} : { maxTimeoutSec: body.max_timeout_sec }),
  ...(body.max_body_mib === undefined ? {} : { maxBodyMib: body.max_body_mib }),
})
