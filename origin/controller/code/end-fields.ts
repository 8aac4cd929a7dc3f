/** How a call of code ended, in the words of the API. */
import type { CodeAnswer } from '../../../shared/contracts/code.ts'
import type { GuestCodeEnd, GuestCodeStarted } from '../../../shared/contracts/guest-code.ts'

type EndFields = Omit<CodeAnswer, 'stdout' | 'stderr' | 'results' | 'error'>

export const endFields = (started: GuestCodeStarted | undefined, end: GuestCodeEnd): EndFields => ({
  exit_code: end.exit_code,
  reason: end.reason,
  execution_count: started?.execution_count ?? 0,
  duration_ms: end.duration_ms,
  context_id: started?.context_id ?? '',
  context_restarted: end.context_restarted,
  truncated: end.stdout_truncated || end.stderr_truncated || end.results_truncated,
})
