/** Whether a key may be used now. What the regions re-check is the boundary; this spares them the traffic. */
import type { KeyRecord } from '../../shared/accounts.ts'
import { AppError } from '../../shared/errors.ts'

/** Throws invalid_token for a key nobody knows, revoked_token for one that is over. */
export function admitKey(record: KeyRecord | null, nowMs: number): KeyRecord {
  if (record === null) throw new AppError('invalid_token', 'The API key is not known.')
  if (record.status === 'revoked') throw new AppError('revoked_token', 'The API key was revoked.')
  if (record.expires !== null && record.expires <= nowMs) {
    throw new AppError('revoked_token', 'The API key has expired.')
  }
  return record
}
