/**
 * What an agent may refuse with in words of its own, `{"code", "message"}`: a caller hears these as they are, with the row that
 * shared/errors.ts has for them. Anything else that a guest refuses with is a guest that is broken.
 */
import type { ErrorCode } from '../errors.ts'

export const GUEST_REFUSALS = [
  // Files (origin/guest/files_refusal.go).
  'file_not_found',
  'path_invalid',
  'is_a_directory',
  'not_a_directory',
  'not_a_file',
  'already_exists',
  'not_empty',
  'permission_denied',
  'file_busy',
  'disk_full',
  'range_not_satisfiable',
  'too_many',
  'archive_invalid',
  'file_refused',
] as const satisfies readonly ErrorCode[]
