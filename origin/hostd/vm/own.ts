/** Makes a machine a sandbox's, on disk and in memory. */
import type { Journal } from '../journal/journal.ts'
import type { Machine } from '../machine/machine.ts'
import type { Vm } from './vm.ts'

/** From here on a restarted daemon finds the machine again. Repeated when what is written changes. */
export function own(journal: Journal, vm: Vm, machine: Machine): void {
  vm.machine = machine
  journal.own({
    machineName: machine.name,
    uid: machine.owner?.uid ?? null,
    spec: vm.spec,
    ...vm.boot,
    started_at_ms: vm.startedAtMs,
  })
}
