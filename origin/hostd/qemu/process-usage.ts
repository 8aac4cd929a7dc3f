/** What the kernel says that a machine's process uses. Cheap: two small files of /proc, no walk over its memory. */
import { readFile } from 'node:fs/promises'
import { isMachine, type MachineProcess } from './processes.ts'

export type ProcessUsage = { cpuMs: number; residentBytes: number; privateBytes: number }

/** Ticks of /proc are a hundredth of a second on every Linux that runs KVM (USER_HZ). */
const MS_PER_TICK = 10

/** Null when the process is gone, or is not (or no longer) that machine. */
export async function readProcessUsage(process: MachineProcess): Promise<ProcessUsage | null> {
  const read = (file: string): Promise<string> => readFile(`/proc/${process.pid}/${file}`, 'utf8').catch(() => '')
  const [stat, status] = await Promise.all([read('stat'), read('status')])
  // Looked at last: what was read before was the machine's, if it still is one.
  if (!(await isMachine(process))) return null
  return { cpuMs: cpuMsOf(stat), residentBytes: bytesOf(status, 'VmRSS'), privateBytes: bytesOf(status, 'RssAnon') }
}

/** utime and stime are the 14th and 15th field; the name before them may have spaces and brackets of its own. */
export function cpuMsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
}

export const bytesOf = (status: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1_024
