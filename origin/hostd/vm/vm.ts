/** A sandbox's machine as this host knows it. Its fields change only in this folder. */
import { type VmDeadlines, type VmRecord, type VmSpec, vmRecord } from '../../../shared/contracts/host.ts'
import type { Machine } from '../machine/machine.ts'
import type { Parked } from '../standby/parked.ts'

type Spec = Omit<VmSpec, 'env' | 'egress'>
type Boot = Pick<VmRecord, 'boot_path' | 'boot_ms'>

export type Vm = {
  /** Another one after a merge. */
  id: string
  spec: Spec
  state: VmRecord['state']
  /** Present from the moment a machine is this sandbox's; absent while one is being started, and while it is paused on disk. */
  machine: Machine | null
  /** What it goes on from while it is paused on disk. */
  parked: Parked | null
  /** When it was paused, while it is. */
  pausedAtMs: number | null
  boot: Boot
  /** Whose machine a merge gave it last, so that a repeat of that merge is known. */
  mergedFrom: string | null
  startedAtMs: number
  /** When the last command began or ended. */
  activeAtMs: number
  /** Those whose caller was told that they are frozen count until they end, too. */
  commandsRunning: number
  tunnelsOpen: number
  guestCallsOpen: number
  /** Aborts with the reason when the machine is paused, for all who wait for a command in it. The next time it runs has another one. */
  frozen: AbortController
  /** Ends whatever is being done for this sandbox, with the reason it is given. */
  readonly ending: AbortController
  /** Resolves when its start has succeeded or has failed and left nothing. */
  started: Promise<void>
  /** Pausing and resuming wait for one another here. */
  turn: Promise<unknown>
  /** Set once it is being ended; resolves when nothing of it is left. */
  gone: Promise<void> | null
}

export function newVm(spec: Spec, nowMs: number): Vm {
  return {
    id: spec.id,
    spec,
    state: 'starting',
    machine: null,
    parked: null,
    pausedAtMs: null,
    boot: { boot_path: 'warm', boot_ms: 0 },
    mergedFrom: null,
    startedAtMs: nowMs,
    activeAtMs: nowMs,
    commandsRunning: 0,
    tunnelsOpen: 0,
    guestCallsOpen: 0,
    frozen: new AbortController(),
    ending: new AbortController(),
    started: Promise.resolve(),
    turn: Promise.resolve(),
    gone: null,
  }
}

/** Whether its start has succeeded, and it is not being ended: it has a machine, or is paused on disk. */
export const isThere = (vm: Vm): boolean => (vm.machine !== null || vm.parked !== null) && vm.gone === null

export const deadlinesOf = ({ expires_at_ms, on_expiry, idle_timeout_sec }: VmDeadlines): VmDeadlines => ({
  expires_at_ms,
  on_expiry,
  idle_timeout_sec,
})

export function recordOf(vm: Vm): VmRecord {
  const { id, state, spec, boot, startedAtMs: started_at_ms, activeAtMs: active_at_ms } = vm
  const standby = state === 'paused' ? { standby: vm.parked === null ? 'memory' : 'disk' } : {}
  return vmRecord.parse({ ...spec, id, state, ...standby, ...boot, started_at_ms, active_at_ms })
}
