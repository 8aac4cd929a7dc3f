/** What changes a machine's state or its deadlines is done one at a time, in the order in which it was asked for. */
import type { VmRecord } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'
import type { Machine } from '../machine/machine.ts'
import { recordOf, type Vm } from './vm.ts'

/** The record after the change. Throws when there is no such sandbox, or when it is being ended. */
export function inTurn(host: Host, id: string, change: (vm: Vm) => void | Promise<void>): Promise<VmRecord> {
  return takeTurnAnywhere(host, id, async (vm) => {
    await change(vm)
    return recordOf(vm)
  })
}

/** What the deed gives, which needs a machine. Throws the same, and AppError('sandbox_not_running') for one that is paused on disk. */
export function takeTurn<T>(host: Host, id: string, deed: (vm: Vm, machine: Machine) => T | Promise<T>): Promise<T> {
  return takeTurnAnywhere(host, id, (vm) => {
    if (vm.machine === null) throw new AppError('sandbox_not_running', `The sandbox is ${vm.state}.`)
    return deed(vm, vm.machine)
  })
}

/** The same for a deed that is as good on a sandbox which is paused on disk and has no machine. */
export async function takeTurnAnywhere<T>(host: Host, id: string, deed: (vm: Vm) => T | Promise<T>): Promise<T> {
  const vm = host.registry.require(id)
  await vm.started
  const turn = vm.turn.then(async () => {
    // What had its turn before may have given the name to another machine.
    if (host.registry.get(id) !== vm) return takeTurnAnywhere(host, id, deed)
    if (vm.gone !== null || (vm.machine === null && vm.parked === null))
      throw new AppError('state_conflict', 'The sandbox is being destroyed.')
    return deed(vm)
  })
  vm.turn = turn.catch(() => {})
  return turn
}
