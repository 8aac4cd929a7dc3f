/** Keys and tiers as they travel: in the edge's KV, in the signed token, and in a region's tables. */
import * as z from 'zod'
import { AppError } from './errors.ts'
import { SIZE_NAMES } from './machines.ts'

/** `keys:*` is everything of a tenant's accounts: keys, workspaces, the limits of its own users. */
export const SCOPES = [
  'sandboxes:read',
  'sandboxes:write',
  'sandboxes:exec',
  'usage:read',
  'keys:read',
  'keys:write',
  'webhooks:read',
  'webhooks:write',
  'hosts:read',
  'hosts:write',
  'egress:read',
  'egress:write',
] as const
export const scopeSchema = z.enum(SCOPES)
export type Scope = z.infer<typeof scopeSchema>

/** Throws insufficient_scope, naming the scope. A route that needs none has null. */
export function requireScope(holder: { scopes: readonly string[] }, scope: string | null): void {
  if (scope === null || holder.scopes.includes(scope)) return
  throw new AppError('insufficient_scope', `This API key does not have the scope ${scope}.`, { details: { scope } })
}

export const tierSchema = z.object({
  concurrency: z.int().positive(),
  requestsPerMinute: z.int().positive(),
  maxSize: z.enum(SIZE_NAMES),
  maxTimeoutSec: z.int().positive(),
  maxBodyMib: z.int().positive(),
})
export type Tier = z.infer<typeof tierSchema>

export const tiersSchema = z.record(z.string(), tierSchema)
export type Tiers = z.infer<typeof tiersSchema>

/** The built-in tiers: what a region and the edge's KV start with. */
export const DEFAULT_TIERS = {
  free: { concurrency: 20, requestsPerMinute: 600, maxSize: 'medium', maxTimeoutSec: 3_600, maxBodyMib: 4 },
  pro: { concurrency: 200, requestsPerMinute: 6_000, maxSize: 'large', maxTimeoutSec: 86_400, maxBodyMib: 32 },
  scale: { concurrency: 2_000, requestsPerMinute: 60_000, maxSize: 'xl', maxTimeoutSec: 86_400, maxBodyMib: 128 },
} as const satisfies Tiers

export const keyLimitsSchema = tierSchema.partial()
export type KeyLimits = z.infer<typeof keyLimitsSchema>

/** The limits of a key: nowhere wider than those of its tier. */
export function tighten(limits: Tier, key: KeyLimits | null | undefined): Tier {
  const least = (mine: number, keys: number | undefined): number => Math.min(mine, keys ?? mine)
  const smaller = SIZE_NAMES.indexOf(key?.maxSize ?? limits.maxSize) < SIZE_NAMES.indexOf(limits.maxSize)
  return {
    concurrency: least(limits.concurrency, key?.concurrency),
    requestsPerMinute: least(limits.requestsPerMinute, key?.requestsPerMinute),
    maxSize: smaller && key?.maxSize !== undefined ? key.maxSize : limits.maxSize,
    maxTimeoutSec: least(limits.maxTimeoutSec, key?.maxTimeoutSec),
    maxBodyMib: least(limits.maxBodyMib, key?.maxBodyMib),
  }
}

/** `k:<hex HMAC-SHA256(pepper, key)>` in KV. Revoking writes `revoked`; it never deletes, so that a late cache fill cannot resurrect the key. */
export const keyRecordSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  tier: z.string(),
  scopes: z.array(z.string()),
  status: z.enum(['active', 'revoked']),
  /** Unix milliseconds, or null for a key without an end. */
  expires: z.int().nullable(),
  /** A region code: every request of this key goes there unless the request itself says otherwise. */
  pin: z.string().optional(),
  keyVersion: z.int(),
  /** What of the tier's limits is tighter for this key. */
  limits: keyLimitsSchema.optional(),
  /** The tenant's own user for whom the key was made; it sees and makes only what is theirs. */
  externalUser: z.string().optional(),
})
export type KeyRecord = z.infer<typeof keyRecordSchema>
