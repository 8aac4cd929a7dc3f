/** The machines' processes as the kernel shows them: found by the name on their command line, ended by it, never by a bare pid. */
import { readdir, readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'

/** Every machine's name begins so, followed by twelve hexadecimal digits. */
const MACHINE_NAME = /^m-[0-9a-f]{12}$/

/** A process that runs a machine, as far as its command line says. */
export type MachineProcess = { pid: number; name: string }

/** All QEMU processes whose sockets are in `runDir`: those of this daemon and of those that ran here before it. */
export async function findMachines(runDir: string): Promise<MachineProcess[]> {
  const entries = await readdir('/proc')
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number)
  const found = await Promise.all(pids.map(async (pid) => machineOf(await commandLineOf(pid), pid, runDir)))
  return found.filter((process) => process !== null)
}

/** Pids are used again; a process is the machine as long as its command line says so. */
export const isMachine = async ({ pid, name }: MachineProcess): Promise<boolean> =>
  nameOf(await commandLineOf(pid)) === name

/** Ends a machine and waits until it is gone. A process that is not (or no longer) that machine is left alone. */
export async function killMachine({ pid, name }: MachineProcess): Promise<'gone' | 'stuck'> {
  const deadline = performance.now() + LIMITS.vmKillMs
  while (await isMachine({ pid, name })) {
    if (performance.now() > deadline) return 'stuck'
    signal(pid)
    await sleep(2)
  }
  return 'gone'
}

/** Sets how willingly every thread of a process gives way: 0 is normal, 19 the most. Without the privilege nothing changes. */
export async function setNiceness(pid: number, niceness: number): Promise<void> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  for (const thread of threads) {
    try {
      setPriority(Number(thread), niceness)
    } catch {
      // The thread has ended, or only root may lower the value again: then it was never raised either.
      return
    }
  }
}

/** A zombie's command line is empty, so it counts as gone: the machine is, and its parent will reap what is left. */
async function commandLineOf(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return text.split('\0')
}

function nameOf(commandLine: string[]): string | undefined {
  if (!commandLine[0]?.includes('qemu')) return undefined
  return commandLine[commandLine.indexOf('-name') + 1]?.split(',')[0]
}

function machineOf(commandLine: string[], pid: number, runDir: string): MachineProcess | null {
  const name = nameOf(commandLine)
  if (name === undefined || !MACHINE_NAME.test(name)) return null
  return commandLine.some((argument) => argument.includes(`unix:${runDir}/${name}/`)) ? { pid, name } : null
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended between the look and the signal.
  }
}
