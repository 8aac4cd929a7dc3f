/** Work that is done over and over, one at a time, until it is stopped. A failure is logged once per streak and never ends it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError, type Log } from './log.ts'

export type Repeating = { stop(): Promise<void> }

export function repeat(everyMs: number, log: Log, failure: string, work: () => Promise<void>): Repeating {
  const stopping = new AbortController()
  let isFailing = false

  const turn = async (): Promise<void> => {
    try {
      await work()
      isFailing = false
    } catch (err) {
      if (!isFailing) log('warn', failure, { error: describeError(err) })
      isFailing = true
    }
  }
  const turns = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await turn()
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const done = turns()
  return {
    stop: () => {
      stopping.abort()
      return done
    },
  }
}
