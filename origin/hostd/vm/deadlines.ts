/** When a sandbox's compute stops by itself, and how. A decision; the clock and the deed are the caller's. */
import type { Vm } from './vm.ts'

type Clocked = Pick<Vm, 'state' | 'activeAtMs' | 'commandsRunning'> & {
  spec: Pick<Vm['spec'], 'expires_at_ms' | 'on_expiry' | 'idle_timeout_sec'>
}

/** A sandbox has all of its time: what its start took is not counted. Whole milliseconds, as a date has them. */
export const postponed = (expiresAtMs: number | null, byMs: number): number | null =>
  expiresAtMs === null ? null : Math.ceil(expiresAtMs + byMs)

/**
 *                 running             paused               starting, stopping
 *   expired       what on_expiry says destroy if it says so  nothing
 *   idle          what on_expiry says nothing              nothing
 */
export function due(vm: Clocked, nowMs: number): 'nothing' | 'pause' | 'destroy' {
  const { expires_at_ms, on_expiry, idle_timeout_sec } = vm.spec
  const isExpired = expires_at_ms !== null && nowMs >= expires_at_ms
  if (vm.state === 'paused') return isExpired && on_expiry === 'destroy' ? 'destroy' : 'nothing'
  if (vm.state !== 'running') return 'nothing'
  const isIdle = idle_timeout_sec > 0 && vm.commandsRunning === 0 && nowMs - vm.activeAtMs >= idle_timeout_sec * 1_000
  return isExpired || isIdle ? on_expiry : 'nothing'
}
