/**
 * The newest events of the region in this process's memory, read once for everybody who follows them here.
 *
 * A reader has a place of its own. One that keeps up is served from memory; one that is further behind, because it is slow or has come
 * back with an old cursor, reads the database by itself and holds up nobody. While nobody follows, nothing is read.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { type EventRow, newestPosition, readAfter } from './read-events.ts'

export type Tail = {
  /** From now on the tail is read; answers the newest place. Each `join` has its `leave`. */
  join(): Promise<number>
  leave(): void
  /** How far the tail has been read. */
  position(): number
  /** What lies between the place and `position`, or undefined when memory does not reach back that far. */
  since(place: number): EventRow[] | undefined
  /** Until something of the tenant's lies beyond `position`, or time is up, or the signal is aborted. */
  next(tenant: string, waitMs: number, signal: AbortSignal): Promise<void>
  /** Reads what is new. */
  read(): Promise<void>
}

type Waiter = { tenant: string; wake: () => void }

export function createTail(db: Db, rowsMax: number = LIMITS.eventsHeldMax): Tail {
  let readers = 0
  /** Everything after this place, up to `position`, is in `rows`. */
  let floor = 0
  let position = 0
  let rows: EventRow[] = []
  let starting: Promise<void> | undefined
  const waiters = new Set<Waiter>()

  const start = async (): Promise<void> => {
    const newest = await newestPosition(db)
    floor = newest
    position = newest
    rows = []
  }
  return {
    async join() {
      readers += 1
      starting ??= start()
      try {
        await starting
      } catch (thrown) {
        starting = undefined
        readers -= 1
        throw thrown
      }
      return position
    },
    leave() {
      readers -= 1
      if (readers === 0) starting = undefined
    },
    position: () => position,
    since: (place) => (place < floor ? undefined : rows.filter((row) => row.position > place)),
    async next(tenant, waitMs, signal) {
      const woken = new AbortController()
      const waiter: Waiter = { tenant, wake: () => woken.abort() }
      waiters.add(waiter)
      try {
        await sleep(waitMs, undefined, { signal: AbortSignal.any([woken.signal, signal]) }).catch(() => {})
      } finally {
        waiters.delete(waiter)
      }
    },
    async read() {
      if (readers === 0) return
      const begun = starting
      await begun
      for (;;) {
        const fresh = await readAfter(db, position)
        // Everybody left while it was read, and somebody else began anew.
        if (starting !== begun) return
        const last = fresh.at(-1)
        if (last === undefined) return
        rows = [...rows, ...fresh]
        position = last.position
        floor = rows.at(-rowsMax - 1)?.position ?? floor
        rows = rows.slice(-rowsMax)
        const tenants = new Set(fresh.map(({ tenant }) => tenant))
        for (const { tenant, wake } of waiters) if (tenants.has(tenant)) wake()
        if (fresh.length < LIMITS.eventPageRows) return
      }
    },
  }
}
