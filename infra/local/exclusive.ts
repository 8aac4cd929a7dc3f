/** One local stack per state folder: the second start says so instead of breaking the first. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Takes the folder, or throws with the process that has it. The returned function gives it back. */
export function takeExclusive(lockFile: string): () => void {
  const holder = livingHolder(lockFile)
  if (holder !== null) {
    throw new Error(
      `Atoll already runs here (process ${holder}). Stop it with Ctrl-C in its terminal, or: kill ${holder}`,
    )
  }
  writeFileSync(lockFile, `${process.pid} ${startTimeOf(process.pid)}\n`)
  return () => rmSync(lockFile, { force: true })
}

/** A process id alone may belong to somebody else by now; with its start time it is one process for ever. */
function livingHolder(lockFile: string): number | null {
  try {
    const [pid, startTime] = readFileSync(lockFile, 'utf8').trim().split(' ')
    return startTimeOf(Number(pid)) === startTime ? Number(pid) : null
  } catch {
    return null
  }
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; the name before it may hold spaces and brackets (proc(5)). */
function startTimeOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
