/**
 * The events of commands: that they were started, and how they ended. No answer waits for them. They are gathered in memory and written
 * in batches, in the order in which they were told, a bounded number of them; more are dropped and counted in the log. A controller that
 * is killed loses those of its last moments, and the ends of the processes that it still waits for; one that is told to stop writes what
 * it has first. When the database breaks off in the middle of a batch, its events may be written twice.
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { isDatabaseGone } from '../database/is-database-gone.ts'
import { describeError, type Log } from '../log.ts'
import { createAwaited } from './awaited.ts'
import { type CommandEvent, writeCommandEvents } from './write-command-events.ts'

/** `reason` is also `lost`: nobody heard how it ended. */
export type CommandEnd = { exit_code: number | null; duration_ms: number; reason: string }
export type CommandFacts = { command: string; language?: string }

/** What is told of one command. Whatever is said twice counts once. */
export type CommandTold = {
  begin(): void
  end(end: CommandEnd): void
  /** Nobody will hear how it ends. Of a command that never began, nothing is told. */
  lose(): void
}

export type Commands = {
  /** A command whose end is heard by whoever started it. */
  tell(sandbox: string, id: string, facts: CommandFacts): CommandTold
  /** Writes what is waiting of a sandbox whose state is about to change, so that its events keep their order. Never fails. */
  settle(sandbox: string): Promise<void>
  /** Writes what is waiting. Rejects when the database is away, and keeps it then. */
  write(): Promise<void>
  awaited: ReturnType<typeof createAwaited>
}

export type CommandSeams = { db: Pick<Db, 'execute'>; clock: () => number; log: Log; written: () => void }

export function createCommands({ db, clock, log, written }: CommandSeams): Commands {
  const waiting: CommandEvent[] = []
  let dropped = 0
  let writing: Promise<void> = Promise.resolve()

  const push = (sandbox: string, type: CommandEvent['type'], data: CommandEvent['data']): void => {
    if (waiting.length >= LIMITS.commandEventsHeldMax) dropped += 1
    else waiting.push({ sandbox, type, data, ts: new Date(clock()).toISOString() })
  }
  const writeAll = async (): Promise<void> => {
    if (dropped > 0) log('warn', 'commands.events_dropped', { count: dropped })
    dropped = 0
    while (waiting.length > 0) {
      const batch = waiting.slice(0, LIMITS.eventsPublishedMax)
      try {
        await writeCommandEvents(db, batch)
      } catch (err) {
        if (isDatabaseGone(err)) throw err
        // What cannot be written now never can, and must not keep the rest.
        log('error', 'commands.events_not_written', { count: batch.length, error: describeError(err) })
      }
      waiting.splice(0, batch.length)
      written()
    }
  }
  const write = (): Promise<void> => {
    writing = writing.catch(() => {}).then(writeAll)
    return writing
  }
  const tell: Commands['tell'] = (sandbox, id, facts) => {
    let state: 'new' | 'running' | 'over' = 'new'
    let begunAtMs = 0
    const begin = (): void => {
      if (state !== 'new') return
      state = 'running'
      begunAtMs = clock()
      push(sandbox, 'sandbox.exec.started', { exec_id: id, ...facts })
    }
    const end = ({ exit_code, duration_ms, reason }: CommandEnd): void => {
      begin()
      if (state === 'over') return
      state = 'over'
      push(sandbox, 'sandbox.exec.completed', { exec_id: id, exit_code, duration_ms, reason })
    }
    const lose = (): void => {
      if (state === 'running')
        end({ exit_code: null, duration_ms: Math.max(0, Math.round(clock() - begunAtMs)), reason: 'lost' })
    }
    return { begin, end, lose }
  }
  return {
    tell,
    settle: async (sandbox) => {
      if (waiting.some((event) => event.sandbox === sandbox)) await write().catch(() => {})
    },
    write,
    awaited: createAwaited(tell),
  }
}
