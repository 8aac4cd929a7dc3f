/**
 * The processes whose ends this controller wants to hear of, because it started them and they go on by themselves. In memory only, and a
 * bounded number: of one too many no end is told.
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { CommandEnd, Commands, CommandTold } from './commands.ts'

/** The processes of one sandbox, and when it is asked about them next: soon after one was started, then ever less often. */
export type AwaitedSandbox = { told: Map<string, CommandTold>; nextAtMs: number; waitMs: number }

export type Awaited = ReturnType<typeof createAwaited>

export function createAwaited(tell: Commands['tell']) {
  const sandboxes = new Map<string, AwaitedSandbox>()
  let count = 0

  const forget = (sandbox: string, pid: string): CommandTold | undefined => {
    const awaited = sandboxes.get(sandbox)
    const told = awaited?.told.get(pid)
    if (awaited === undefined || told === undefined) return undefined
    awaited.told.delete(pid)
    count -= 1
    if (awaited.told.size === 0) sandboxes.delete(sandbox)
    return told
  }
  return {
    sandboxes: sandboxes as ReadonlyMap<string, AwaitedSandbox>,
    /** Those whose turn it is, a bounded number, the longest due first: those that are asked often keep none of the others waiting. */
    due: (nowMs: number): string[] =>
      [...sandboxes]
        .filter(([, { nextAtMs }]) => nextAtMs <= nowMs)
        .toSorted(([, one], [, other]) => one.nextAtMs - other.nextAtMs)
        .slice(0, LIMITS.commandLooksMax)
        .map(([id]) => id),
    /** Tells that it was started, once. */
    add(sandbox: string, pid: string, command: string, nowMs: number): void {
      if (sandboxes.get(sandbox)?.told.has(pid) === true) return
      const told = tell(sandbox, pid, { command })
      told.begin()
      if (count >= LIMITS.commandsAwaitedMax) return
      const soonMs = nowMs + LIMITS.commandLookMs
      const awaited = sandboxes.get(sandbox) ?? { told: new Map<string, CommandTold>(), nextAtMs: soonMs, waitMs: 0 }
      awaited.waitMs = LIMITS.commandLookMs
      // One in which something is started all the time has its turn, too.
      awaited.nextAtMs = Math.min(awaited.nextAtMs, soonMs)
      awaited.told.set(pid, told)
      sandboxes.set(sandbox, awaited)
      count += 1
    },
    /** It was heard how one ended; of any other process there is nothing to tell. */
    end: (sandbox: string, pid: string, end: CommandEnd): void => forget(sandbox, pid)?.end(end),
    lose: (sandbox: string, pid: string): void => forget(sandbox, pid)?.lose(),
    /** Nothing more can be heard of any of them. */
    loseAll(sandbox: string): void {
      for (const pid of [...(sandboxes.get(sandbox)?.told.keys() ?? [])]) forget(sandbox, pid)?.lose()
    },
    /** It was asked just now, and some still run. */
    postpone(sandbox: string, nowMs: number): void {
      const awaited = sandboxes.get(sandbox)
      if (awaited === undefined) return
      awaited.waitMs = Math.min(awaited.waitMs * 2, LIMITS.commandLookMsMax)
      awaited.nextAtMs = nowMs + awaited.waitMs
    },
  }
}
