/** One local stack per state folder: the second start says so instead of breaking the first. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Throws with the process that has the folder, if one has. */
export function refuseSecondStart(lockFile: string): void {
  const holder = livingHolder(lockFile)
  if (holder === null) return
  throw new Error(
    `Atoll already runs here (process ${holder}). Stop it with Ctrl-C in its terminal, or: kill ${holder}`,
  )
}

/** Takes the folder, or throws as above. The returned function gives it back. */
export function takeExclusive(lockFile: string): () => void {
  refuseSecondStart(lockFile)
  writeFileSync(lockFile, `${process.pid} ${startTimeOf(process.pid)}\n`)
  return () => rmSync(lockFile, { force: true })
}

/**
 * The process that runs the stack of this folder, or null. A process id alone may belong to somebody else by now; with its
 * start time it is one process for ever.
 */
export function livingHolder(lockFile: string): number | null {
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
