/** When compute stops, by the policy of a sandbox. Pure. The host is told the same moment and acts on it without us. */
import type { VmDeadlines } from '../../../shared/contracts/host.ts'

type Policy = { idleTimeoutSec: number; alwaysOn: boolean; persistent: boolean }

/** For one that begins to run now. */
export const deadlinesFrom = (policy: Policy & { timeoutSec: number }, nowMs: number): VmDeadlines =>
  deadlinesOf({ ...policy, expiresAt: policy.alwaysOn ? null : new Date(nowMs + policy.timeoutSec * 1_000) })

/** Those in force. */
export const deadlinesOf = (row: Policy & { expiresAt: Date | null }): VmDeadlines => ({
  expires_at_ms: row.expiresAt?.getTime() ?? null,
  on_expiry: row.persistent ? 'pause' : 'destroy',
  idle_timeout_sec: row.alwaysOn ? 0 : row.idleTimeoutSec,
})
