/** Wakes those in this process who wait for accounts to change. */
import { EventEmitter, once } from 'node:events'

export type AccountNews = {
  tell(): void
  /** Ends with the next news, after `ms`, or when the signal is aborted, whichever comes first. */
  wait(ms: number, signal?: AbortSignal): Promise<void>
}

export function createAccountNews(): AccountNews {
  const emitter = new EventEmitter()
  // One a follower that is waiting, and one of our own.
  emitter.setMaxListeners(0)
  return {
    tell: () => void emitter.emit('news'),
    async wait(ms, signal) {
      const late = AbortSignal.timeout(ms)
      await once(emitter, 'news', { signal: signal === undefined ? late : AbortSignal.any([late, signal]) }).catch(
        () => {},
      )
    },
  }
}
