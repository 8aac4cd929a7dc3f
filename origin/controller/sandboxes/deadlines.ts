/** When compute stops, by the policy of a sandbox. Pure. The host is told the same moment and acts on it without us. */
import type { VmDeadlines } from '../../../shared/contracts/host.ts'

type Lasting = { timeoutSec: number; idleTimeoutSec: number; alwaysOn: boolean; persistent: boolean }

export const deadlinesFrom = (lasting: Lasting, nowMs: number): VmDeadlines => ({
  expires_at_ms: lasting.alwaysOn ? null : nowMs + lasting.timeoutSec * 1_000,
  on_expiry: lasting.persistent ? 'pause' : 'destroy',
  idle_timeout_sec: lasting.alwaysOn ? 0 : lasting.idleTimeoutSec,
})
