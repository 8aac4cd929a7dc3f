/** What is truly there on this machine. Read synchronously: a look takes microseconds, and a decision follows at once. */
import { readFileSync, statfsSync } from 'node:fs'

const MIB = 1024 * 1024

export type MachineFacts = {
  memoryTotalMib: number
  /** Free now, or freed at once when asked for: the kernel's own estimate. */
  memoryAvailableMib: number
  diskTotalMib: number
  diskAvailableMib: number
}

/** `directory` is on the file system that holds the machines' disks. */
export function readMachineFacts(directory: string): MachineFacts {
  const { bsize, blocks, bavail } = statfsSync(directory)
  const memory = readFileSync('/proc/meminfo', 'utf8')
  return {
    memoryTotalMib: memoryField(memory, 'MemTotal'),
    memoryAvailableMib: memoryField(memory, 'MemAvailable'),
    diskTotalMib: Math.floor((blocks * bsize) / MIB),
    diskAvailableMib: Math.floor((bavail * bsize) / MIB),
  }
}

function memoryField(meminfo: string, name: string): number {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1]
  if (kib === undefined) throw new Error(`/proc/meminfo has no ${name}.`)
  return Math.floor(Number(kib) / 1024)
}
