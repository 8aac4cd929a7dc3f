/** What a sandbox may be made of: the named sizes, and any machine between the limits. */
import * as z from 'zod'
import { LIMITS } from './limits.ts'

export type Machine = { vcpus: number; memoryMib: number; diskMib: number }

export const SIZE_NAMES = ['xs', 'small', 'medium', 'large', 'xl'] as const
export type SizeName = (typeof SIZE_NAMES)[number]

const GIB = 1_024

export const SIZES: Record<SizeName, Machine> = {
  xs: { vcpus: 1, memoryMib: 2 * GIB, diskMib: 10 * GIB },
  small: { vcpus: 2, memoryMib: 4 * GIB, diskMib: 20 * GIB },
  medium: { vcpus: 4, memoryMib: 8 * GIB, diskMib: 50 * GIB },
  large: { vcpus: 8, memoryMib: 16 * GIB, diskMib: 100 * GIB },
  xl: { vcpus: 16, memoryMib: 32 * GIB, diskMib: 200 * GIB },
}

export const machineSchema = z.object({
  vcpus: z.int().min(LIMITS.vcpusMin).max(LIMITS.vcpusMax),
  memoryMib: z.int().min(LIMITS.memoryMibMin).max(LIMITS.memoryMibMax),
  diskMib: z.int().min(LIMITS.diskMibMin).max(LIMITS.diskMibMax),
})

/** The name of the size that is exactly this machine, or `custom`. */
export function sizeOf(machine: Machine): SizeName | 'custom' {
  const match = SIZE_NAMES.find((name) => machineKey(SIZES[name]) === machineKey(machine))
  return match ?? 'custom'
}

/** One spelling per machine, for caches and pools: `2x4096x20480` is 2 vCPUs, 4096 MiB of memory, 20480 MiB of disk. */
export function machineKey(machine: Machine): string {
  return `${machine.vcpus}x${machine.memoryMib}x${machine.diskMib}`
}
