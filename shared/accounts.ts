/** Keys and tiers as they travel: in the edge's KV, in the signed token, and in a region's tables. */
import * as z from 'zod'
import { AppError } from './errors.ts'
import { SIZE_NAMES } from './machines.ts'

export const SCOPES = ['sandboxes:read', 'sandboxes:write', 'sandboxes:exec'] as const
export const scopeSchema = z.enum(SCOPES)
export type Scope = z.infer<typeof scopeSchema>

/** Throws insufficient_scope, naming the scope. A route that needs none has null. */
export function requireScope(holder: { scopes: readonly string[] }, scope: Scope | null): void {
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
})
export type KeyRecord = z.infer<typeof keyRecordSchema>
