/**
 * Whether one more machine may start, and what is left to offer. Two questions, both decided here and nowhere else:
 * is there room by what was promised to sandboxes, and is there room by what is truly free at this moment?
 */
import type { HostCapacity } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Machine as Shape, SIZE_NAMES, SIZES } from '../../../shared/machines.ts'
import type { Config } from '../config.ts'
import type { MachineFacts } from './machine-facts.ts'

/** What may be promised in all. */
export type Promises = { memoryMib: number; diskMib: number; vms: number }

export function promisesOf(config: Config['promises'], facts: MachineFacts): Promises {
  return {
    memoryMib: config.memoryMib ?? Math.floor(facts.memoryTotalMib * config.memoryOvercommit),
    diskMib: config.diskMib ?? Math.floor(facts.diskTotalMib * config.diskOvercommit),
    vms: config.vmsMax,
  }
}

/** What is left of the promises beside the machines that sandboxes hold already. */
export function unpromised(promises: Promises, held: Shape[]): Promises {
  return held.reduce(
    (left, shape) => ({
      memoryMib: left.memoryMib - shape.memoryMib,
      diskMib: left.diskMib - shape.diskMib,
      vms: left.vms - 1,
    }),
    promises,
  )
}

/** Why a machine of this shape may not start now, or null when it may. */
export function refusalOf(shape: Shape, left: Promises, facts: MachineFacts): AppError | null {
  if (left.vms < 1) return new AppError('capacity_exhausted', 'This host runs as many sandboxes as it may.')
  if (left.memoryMib < shape.memoryMib || left.diskMib < shape.diskMib)
    return new AppError('capacity_exhausted', 'This host has promised all its memory or disk to other sandboxes.')
  return shortageOf(shape, facts)
}

/** Why the machine beneath cannot carry another one of this shape, whatever was promised; null when it can. */
export function shortageOf(shape: Shape, facts: MachineFacts): AppError | null {
  if (!fitsAtAll(shape, facts))
    return new AppError('capacity_exhausted', `No machine of ${shape.memoryMib} MiB of memory fits on this host.`)
  const memoryMib = Math.min(shape.memoryMib, LIMITS.vmStartMemoryMib)
  if (facts.memoryAvailableMib - memoryMib < LIMITS.hostMemoryReserveMib)
    return new AppError('host_memory_exhausted', `This host has only ${facts.memoryAvailableMib} MiB of memory free.`)
  if (facts.diskAvailableMib < LIMITS.hostDiskReserveMib)
    return new AppError('host_disk_exhausted', `This host has only ${facts.diskAvailableMib} MiB of disk free.`)
  return null
}

/** How many more of each named size fit by what is promised. */
export function freeBySize(left: Promises, facts: MachineFacts): HostCapacity['free'] {
  const fits = (shape: Shape): number =>
    Math.min(left.vms, Math.floor(left.memoryMib / shape.memoryMib), Math.floor(left.diskMib / shape.diskMib))
  const freeOf = (shape: Shape): number => (fitsAtAll(shape, facts) ? Math.max(0, fits(shape)) : 0)
  return Object.fromEntries(SIZE_NAMES.map((size) => [size, freeOf(SIZES[size])]))
}

/** Memory may be promised many times over, but the kernel maps no single machine that is larger than all there is. */
const fitsAtAll = (shape: Shape, facts: MachineFacts): boolean => shape.memoryMib <= facts.memoryTotalMib
