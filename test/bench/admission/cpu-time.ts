/** How much processor a process, or a server of many processes, has used. Linux's own count, in steps of 10 ms. */
import { readdirSync, readFileSync } from 'node:fs'

const MS_PER_TICK = 10
/** Counted from the state, which follows the name in parentheses: proc(5). */
const PARENT = 1
const USER = 11
const SYSTEM = 12

export const cpuMsOf = (pid: number): number => {
  const stat = statOf(pid)
  return (Number(stat[USER]) + Number(stat[SYSTEM])) * MS_PER_TICK
}

/** Of the process and its children that live now; PostgreSQL's connections are such children. */
export const cpuMsOfTree = (pid: number): number =>
  [pid, ...childrenOf(pid)].reduce((sum, one) => sum + cpuMsOf(one), 0)

const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => Number(statOf(one)[PARENT]) === pid)

/** Empty for a process that has ended meanwhile. */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}
