/** Work that goes on after its request was answered. It is waited for when the process ends, as long as requests are. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../shared/limits.ts'
import { describeError, type Log } from './log.ts'

export type Background = {
  /** Whether there is room for one more. */
  hasRoom(): boolean
  /** A failure is logged; whoever wants to hear of it listens to the promise itself. */
  follow(work: Promise<unknown>): void
  drain(): Promise<void>
}

export function createBackground(log: Log): Background {
  const going = new Set<Promise<unknown>>()
  return {
    hasRoom: () => going.size < LIMITS.backgroundCreatesMax,
    follow(work) {
      const followed = work
        .catch((err: unknown) => log('warn', 'background.failed', { error: describeError(err) }))
        .finally(() => going.delete(followed))
      going.add(followed)
    },
    async drain() {
      const timer = new AbortController()
      await Promise.race([
        Promise.all(going),
        sleep(LIMITS.drainMs, undefined, { signal: timer.signal }).catch(() => {}),
      ])
      timer.abort()
    },
  }
}
