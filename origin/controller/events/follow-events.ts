/** One reader's events from a place on, for ever: from memory while it keeps up, from the database while it does not. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import type { StreamItem } from '../http/event-stream.ts'
import type { EventIds } from './event-ids.ts'
import { type EventFilter, type EventRow, nameToReader, readFor } from './read-events.ts'
import type { Tail } from './tail.ts'

export type Followed = { db: Db; tail: Tail; ids: EventIds; region: string; clock: () => number }

/**
 * `from` is a place that is kept, or 0. Ends after the last event of the one sandbox that is followed. Throws the reason of the
 * signal when it is aborted. Where nothing of the reader's happens it is told from time to time how far it has come, so that it can
 * go on from there however long it was quiet.
 */
export async function* followEvents(
  { db, tail, ids, region, clock }: Followed,
  filter: EventFilter,
  from: number,
  until: AbortSignal,
): AsyncGenerator<StreamItem> {
  let place = from
  let told = from
  if (from > 0) yield { place: ids.of(from, new Date(clock())) }
  for (;;) {
    until.throwIfAborted()
    const { rows, upTo } = await pageAfter(db, tail, filter, place)
    for (const row of rows) {
      const name = nameToReader(filter, row)
      if (name !== undefined) {
        yield frameOf(name, row, ids, region)
        until.throwIfAborted()
        told = row.position
      }
      if (filter.sandbox === row.sandbox && row.type === 'sandbox.destroyed') return
    }
    place = Math.max(place, upTo)
    if (tail.position() > place) continue
    await tail.next(filter.tenant, LIMITS.eventPlaceMs, until)
    // Woken, there is something of the tenant's; otherwise there was nothing of it up to here, and the page comes empty.
    if (tail.since(place)?.some((row) => row.tenant === filter.tenant)) continue
    if (place > told) yield { place: ids.of(place, new Date(clock())) }
    told = Math.max(told, place)
  }
}

/** What is left to tell of something that has ended: from the place on to the end, and no more. */
export async function* tellRest(
  { db, ids, region }: Followed,
  filter: EventFilter,
  from: number,
): AsyncGenerator<StreamItem> {
  let place = from
  for (;;) {
    const rows = await readFor(filter, db, place)
    for (const row of rows) {
      const name = nameToReader(filter, row)
      if (name !== undefined) yield frameOf(name, row, ids, region)
    }
    place = rows.at(-1)?.position ?? place
    if (rows.length < LIMITS.eventPageRows) return
  }
}

/** `upTo` is read before the database is, so it holds nothing back that was there by then. */
async function pageAfter(
  db: Db,
  tail: Tail,
  filter: EventFilter,
  place: number,
): Promise<{ rows: EventRow[]; upTo: number }> {
  const upTo = tail.position()
  const held = tail.since(place)
  if (held !== undefined) return { rows: held, upTo }
  const rows = await readFor(filter, db, place)
  const last = rows.at(-1)?.position ?? 0
  return { rows, upTo: rows.length < LIMITS.eventPageRows ? Math.max(upTo, last) : last }
}

const frameOf = (
  name: string,
  { position, sandbox, data, ts }: EventRow,
  ids: EventIds,
  region: string,
): StreamItem => ({
  event: name,
  id: ids.of(position, ts),
  data: { type: name, sandbox_id: sandbox, ts: ts.toISOString(), region, ...data },
})
