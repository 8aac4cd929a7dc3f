/** What a controller holds in memory of events: their public ids, the newest of them, and who follows. */
import type { Db } from '../database/connect.ts'
import { createEventIds, type EventIds } from './event-ids.ts'
import { createStreams, type Streams } from './streams.ts'
import { createTail, type Tail } from './tail.ts'

export type Events = {
  ids: EventIds
  tail: Tail
  streams: Streams
  /** Said after whatever may have written an event, so that it is told at once and not only at the next look. */
  written: () => void
  /** Said when deliveries have been made. */
  due: () => void
}

export const createEvents = (db: Db, secret: string, region: string): Events => ({
  ids: createEventIds(secret, region),
  tail: createTail(db),
  streams: createStreams(),
  written: () => {},
  due: () => {},
})
