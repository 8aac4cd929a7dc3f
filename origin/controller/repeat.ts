/** Work that is done over and over, one at a time, until it is stopped. A failure is logged once per streak and never ends it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError, type Log } from './log.ts'

export type Repeating = {
  /** Does the work soon instead of in its time; asked during a turn, once more after it. However often it is asked, it is one turn. */
  soon(): void
  stop(): Promise<void>
}

/** `gatherMs` is how long `soon` waits for more of the same. */
export function repeat(
  everyMs: number,
  log: Log,
  failure: string,
  work: () => Promise<void>,
  gatherMs: number = 0,
): Repeating {
  const stopping = new AbortController()
  let isFailing = false
  let isWanted = false
  let wake = (): void => {}

  const turn = async (): Promise<void> => {
    isWanted = false
    try {
      await work()
      isFailing = false
    } catch (err) {
      if (!isFailing) log('warn', failure, { error: describeError(err) })
      isFailing = true
    }
  }
  const rest = async (): Promise<void> => {
    const waking = new AbortController()
    wake = () => waking.abort()
    const signal = AbortSignal.any([stopping.signal, waking.signal])
    // After a failure there is no hurry: what is away would be asked as fast as it can refuse.
    if (!isWanted || isFailing) await sleep(everyMs, undefined, { signal }).catch(() => {})
    if (isWanted) await sleep(gatherMs, undefined, { signal: stopping.signal }).catch(() => {})
  }
  const turns = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await turn()
      await rest()
    }
  }
  const done = turns()
  return {
    soon() {
      if (isWanted) return
      isWanted = true
      if (!isFailing) wake()
    },
    stop: () => {
      stopping.abort()
      return done
    },
  }
}
