/**
 * Which paused sandboxes are to go from memory to disk, those that have stood longest first. A decision only.
 *
 *   memory is short      all of them
 *   else                 those that were paused long enough ago
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { Vm } from '../vm/vm.ts'

type Standing = Pick<Vm, 'id' | 'state' | 'pausedAtMs'> & { machine: unknown }
type Moment = { nowMs: number; memoryAvailableMib: number }

export function chooseForDisk<T extends Standing>(vms: T[], afterMs: number, moment: Moment): T[] {
  const isShort = moment.memoryAvailableMib < LIMITS.standbyMemoryMib
  const sinceMs = ({ pausedAtMs }: T): number => pausedAtMs ?? moment.nowMs
  const isDue = (vm: T): boolean => isShort || moment.nowMs - sinceMs(vm) >= afterMs
  return vms
    .filter((vm) => vm.state === 'paused' && vm.machine !== null && isDue(vm))
    .toSorted((a, b) => sinceMs(a) - sinceMs(b))
}
