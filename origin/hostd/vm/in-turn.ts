/** What changes a machine's state or its deadlines is done one at a time, in the order in which it was asked for. */
import type { VmRecord } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'
import type { Machine } from '../machine/machine.ts'
import { recordOf, type Vm } from './vm.ts'

type Deed<T> = (vm: Vm, machine: Machine) => T | Promise<T>

/** The record after the change. Throws when there is no such sandbox, or when it is being ended. */
export function inTurn(host: Host, id: string, change: Deed<void>): Promise<VmRecord> {
  return takeTurn(host, id, async (vm, machine) => {
    await change(vm, machine)
    return recordOf(vm)
  })
}

/** What the deed gives. Throws the same. */
export async function takeTurn<T>(host: Host, id: string, deed: Deed<T>): Promise<T> {
  const vm = host.registry.require(id)
  await vm.started
  const turn = vm.turn.then(async () => {
    // What had its turn before may have given the name to another machine.
    if (host.registry.get(id) !== vm) return takeTurn(host, id, deed)
    if (vm.gone !== null || vm.machine === null) throw new AppError('state_conflict', 'The sandbox is being destroyed.')
    return deed(vm, vm.machine)
  })
  vm.turn = turn.catch(() => {})
  return turn
}
