/** Makes a machine, or what is kept of one on disk, a sandbox's, in the journal and in memory, and takes it away again. */
import type { Journal, SandboxRecord } from '../journal/journal.ts'
import type { Machine } from '../machine/machine.ts'
import type { Parked } from '../standby/parked.ts'
import type { Vm } from './vm.ts'

/** From here on a restarted daemon finds the machine again. Repeated when what is written changes. */
export function own(journal: Journal, vm: Vm, machine: Machine): void {
  vm.machine = machine
  journal.own({
    machineName: machine.name,
    uid: machine.owner?.uid ?? null,
    lineage: machine.lineage,
    ...recordIn(vm),
  })
}

const recordIn = (vm: Vm): SandboxRecord => ({
  spec: vm.spec,
  ...vm.boot,
  merged_from: vm.mergedFrom,
  started_at_ms: vm.startedAtMs,
})

/** From here on the sandbox is on disk, unless its machine is found, too. */
export const park = (journal: Journal, vm: Vm, { snapshot }: Parked): Promise<void> =>
  journal.park({ snapshot: snapshot.manifest.id, ...recordIn(vm) })

/** Journals what has changed of a sandbox, wherever it is. */
export async function journalChange(journal: Journal, vm: Vm): Promise<void> {
  if (vm.machine !== null) own(journal, vm, vm.machine)
  else if (vm.parked !== null) await park(journal, vm, vm.parked)
}

/** Journals a change of the machine, unless the sandbox has given it up meanwhile: what is being reaped must not be owned again. */
export function ownStill(journal: Journal, vm: Vm, machine: Machine): void {
  if (vm.machine === machine && vm.gone === null) own(journal, vm, machine)
}

/** Frees everything that the sandbox has. */
export async function giveUpMachine(journal: Journal, vm: Vm): Promise<void> {
  const { parked } = vm
  vm.parked = null
  try {
    await endMachine(journal, vm)
  } finally {
    await parked?.end()
  }
}

/** Ends the sandbox's machine, if it has one. From the first step on nobody owns it, so a crash before the last leaves it to be reaped. */
export async function endMachine(journal: Journal, vm: Vm): Promise<void> {
  const { machine } = vm
  if (machine === null) return
  vm.machine = null
  try {
    journal.disown(machine.name)
  } finally {
    await machine.end()
  }
}
