/**
 * What the agent may refuse in its own words: `{"code", "message", "field"?}` with a status of 400 or more. A code of this list is the caller's to
 * hear, with the status and the advice of the error table; any other one is an agent that makes no sense.
 */
import * as z from 'zod'
import type { ErrorCode } from '../errors.ts'
import { LIMITS } from '../limits.ts'

export const GUEST_REFUSALS = [
  'not_found',
  'invalid_request',
  'state_conflict',
  'sandbox_busy',
  // Processes (origin/guest/process_routes.go).
  'process_not_found',
  'process_not_started',
  'idempotency_key_reused',
  'process_ended',
  'stdin_closed',
  'stdin_full',
  // Code (origin/guest/code_routes.go).
  'context_not_found',
  'context_limit',
  // Files (origin/guest/files_refusal.go).
  'file_not_found',
  'invalid_path',
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
  // Terminals (origin/guest/terminals.go).
  'terminal_not_found',
  'terminal_limit',
  'terminal_not_started',
] as const satisfies readonly ErrorCode[]

export const guestRefusalBody = z.object({
  code: z.enum(GUEST_REFUSALS),
  message: z.string().max(LIMITS.guestMessageCharsMax),
  /** Which field of the caller's own request is meant. */
  field: z.enum(['code', 'cursor', 'cwd', 'language', 'signal']).optional(),
})
