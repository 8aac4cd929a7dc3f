/** Who is asking, whichever way it was proven. */
import { type Tier, tighten } from '../../../shared/accounts.ts'
import { AppError } from '../../../shared/errors.ts'
import type { KeyFacts } from './key-facts.ts'

export type Principal = {
  /** The API key's id, never the key. */
  key: string
  /** Which of the key's secrets was shown. */
  keyVersion: number
  tenant: string
  tier: string
  scopes: readonly string[]
  /** Of the tier, tightened by those of the key. */
  limits: Tier
  /** Of the tier alone: what all keys of the tenant share. */
  tenantRequestsPerMinute: number
  /** The tenant's own user for whom the key was made: whatever is not theirs does not exist for it. Null sees the whole tenant. */
  externalUser: string | null
  /** The bound of the key on its user's sandboxes at a time, beside that of the tenant's table. */
  externalMax: number | null
  /** The only sandbox that this caller may name, or null for all. */
  sandbox: string | null
  /** Whether it came with a word for browsers, made with the key, and not with the key itself. */
  isTemporary: boolean
}

export const principalOfKey = ({
  key,
  keyVersion,
  tenant,
  tier,
  scopes,
  limits,
  keyLimits,
  externalUser,
}: KeyFacts): Principal => ({
  key,
  keyVersion,
  tenant,
  tier,
  scopes,
  limits: tighten(limits, keyLimits),
  tenantRequestsPerMinute: limits.requestsPerMinute,
  externalUser,
  externalMax: externalUser === null ? null : (keyLimits?.concurrency ?? null),
  sandbox: null,
  isTemporary: false,
})

export type KeyStanding = 'active' | 'key_revoked' | 'key_unknown'

/** The database's word on the key, asked again by everything that changes something. */
export function requireStanding(standing: KeyStanding): void {
  if (standing === 'key_revoked') throw revoked()
  if (standing === 'key_unknown') throw unknown()
}

/** Throws owner_key_required for whoever speaks for less than the whole tenant. */
export function requireOwner({ externalUser, isTemporary }: Principal): void {
  if (externalUser === null && !isTemporary) return
  throw new AppError(
    'owner_key_required',
    isTemporary
      ? 'A short-lived token may not manage accounts.'
      : 'A key that was made for an end user may not manage accounts.',
  )
}

export const revoked = (): AppError => new AppError('revoked_token', 'This API key was revoked or has expired.')
export const unknown = (): AppError => new AppError('invalid_token', 'There is no such API key.')
export const suspended = (): AppError => new AppError('tenant_suspended', 'The tenant of this API key is suspended.')
