/** Who is asking, whichever way it was proven. */
import type { Tier } from '../../../shared/accounts.ts'
import { AppError } from '../../../shared/errors.ts'

export type Principal = {
  /** The API key's id, never the key. */
  key: string
  tenant: string
  tier: string
  scopes: readonly string[]
  limits: Tier
}

export type KeyStanding = 'active' | 'key_revoked' | 'key_unknown'

/** The database's word on the key, asked again by everything that changes something. */
export function requireStanding(standing: KeyStanding): void {
  if (standing === 'key_revoked') throw revoked()
  if (standing === 'key_unknown') throw unknown()
}

export const revoked = (): AppError => new AppError('revoked_token', 'This API key was revoked or has expired.')
export const unknown = (): AppError => new AppError('invalid_token', 'There is no such API key.')
