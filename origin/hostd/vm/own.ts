/** Makes a machine a sandbox's, on disk and in memory, and takes it away again. */
import type { Journal } from '../journal/journal.ts'
import type { Machine } from '../machine/machine.ts'
import type { Vm } from './vm.ts'

/** From here on a restarted daemon finds the machine again. Repeated when what is written changes. */
export function own(journal: Journal, vm: Vm, machine: Machine): void {
  vm.machine = machine
  journal.own({
    machineName: machine.name,
    uid: machine.owner?.uid ?? null,
    lineage: machine.lineage,
    spec: vm.spec,
    ...vm.boot,
    merged_from: vm.mergedFrom,
    started_at_ms: vm.startedAtMs,
  })
}

/** Journals a change of the machine, unless the sandbox has given it up meanwhile: what is being reaped must not be owned again. */
export function ownStill(journal: Journal, vm: Vm, machine: Machine): void {
  if (vm.machine === machine && vm.gone === null) own(journal, vm, machine)
}

/** Ends the sandbox's machine, if it has one. From the first step on nobody owns it, so a crash before the last leaves it to be reaped. */
export async function giveUpMachine(journal: Journal, vm: Vm): Promise<void> {
  const { machine } = vm
  if (machine === null) return
  vm.machine = null
  try {
    journal.disown(machine.name)
  } finally {
    await machine.end()
  }
}
