/** Whose a sandbox will be. Pure. */
import { AppError } from '../../../shared/errors.ts'
import type { Principal } from '../accounts/principal.ts'

/** The user for whom it is made: that of the key, if the key is for one. */
export function subjectOf(
  { externalUser, sandbox }: Pick<Principal, 'externalUser' | 'sandbox'>,
  asked: string | undefined,
): string | null {
  if (sandbox !== null) throw new AppError('subject_not_allowed', 'This token is for one sandbox and makes no other.')
  if (externalUser !== null && asked !== undefined && asked !== externalUser)
    throw new AppError('subject_not_allowed', 'This API key makes sandboxes for its own user only.')
  return externalUser ?? asked ?? null
}
