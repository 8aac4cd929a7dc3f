/** How much memory a process has at most while something happens. */
import { readFileSync } from 'node:fs'

const LOOK_EVERY_MS = 20

/** Bytes that are in its memory, beyond those that were there before. */
export async function growthOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = residentBytes(pid)
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(pid))
  }, LOOK_EVERY_MS)
  try {
    await work()
    return Math.max(most, residentBytes(pid)) - before
  } finally {
    clearInterval(timer)
  }
}

const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024

/** The children of this process that run a program of this name. */
export function childrenNamed(name: string): number[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ')
  return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name).map(Number)
}
