/**
 * Gives places to events that have none, in the order of their ids, and makes the deliveries of webhooks in the same transaction.
 *
 * Any controller may, at any time; one at a time does. The lock is taken in a statement of its own, so that the next one sees all that
 * the holder before has written: positions become visible in their own order, and a reader that goes on after the highest it has
 * seen misses none. Events of one sandbox are visible in the order of their ids, because each was written under the lock of the row.
 */
import { eq, isNull, sql } from 'drizzle-orm'
import type pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { LOCKS } from '../database/locks.ts'
import { event } from '../database/schema/events.ts'
import { type DeliveryMaker, makeDeliveries } from '../webhooks/make-deliveries.ts'
import { EVENT_COLUMNS, type EventRow } from './read-events.ts'

export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

/** `busy`: another one publishes at this moment. */
export type Published = { kind: 'published'; events: number; deliveries: number } | { kind: 'busy' }

/** Everything that is waiting, a bounded number at a time. Says how many deliveries came of it. */
export async function publishWaiting(controller: Controller): Promise<number> {
  let deliveries = 0
  for (;;) {
    if (!(await anyWaiting(controller.database.pool))) return deliveries
    const turn = await publish(controller, 'skip')
    if (turn.kind === 'busy') return deliveries
    deliveries += turn.deliveries
    if (turn.events < LIMITS.eventsPublishedMax) return deliveries
  }
}

/** When this returns, whatever was written before it was called has its place. */
export async function publishAll(controller: Controller): Promise<void> {
  while (await anyWaiting(controller.database.pool)) {
    const turn = await publish(controller, 'wait')
    if (turn.kind === 'published' && turn.events < LIMITS.eventsPublishedMax) return
  }
}

/** Asked ten times a second and after whatever may have written one: so it has a name, by which the server knows its plan. */
const ANY_WAITING = {
  name: 'any_event_waiting',
  text: 'select exists (select from event where position is null) as waiting',
}

async function anyWaiting(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ waiting: boolean }>(ANY_WAITING)
  return rows[0]?.waiting === true
}

async function publish(controller: Controller, lock: 'skip' | 'wait'): Promise<Published> {
  const { database, events, region, clock, random } = controller
  const maker: DeliveryMaker = { ids: events.ids, region: region.code, clock, random }
  return await database.db.transaction(async (tx): Promise<Published> => {
    if (!(await lockPublisher(tx, lock))) return { kind: 'busy' }
    const published = await placeEvents(tx)
    return { kind: 'published', events: published.length, deliveries: await makeDeliveries(tx, maker, published) }
  })
}

export async function lockPublisher(tx: Tx, lock: 'skip' | 'wait'): Promise<boolean> {
  const pair = sql`${LOCKS.region}::integer, ${LOCKS.publisher}::integer`
  const { rows } = await tx.execute<{ won: boolean }>(
    lock === 'wait'
      ? sql`select true as won from pg_advisory_xact_lock(${pair})`
      : sql`select pg_try_advisory_xact_lock(${pair}) as won`,
  )
  return rows[0]?.won === true
}

async function placeEvents(tx: Tx): Promise<EventRow[]> {
  const waiting = tx
    .select({ id: event.id })
    .from(event)
    .where(isNull(event.position))
    .orderBy(event.id)
    .limit(LIMITS.eventsPublishedMax)
    .as('waiting')
  // Drawn over rows that are sorted already, so in that order.
  const place = tx
    .$with('place')
    .as(tx.select({ id: waiting.id, position: sql<number>`nextval('event_position')`.as('place') }).from(waiting))
  const rows = await tx
    .with(place)
    .update(event)
    .set({ position: sql`${place.position}` })
    .from(place)
    .where(eq(event.id, place.id))
    .returning(EVENT_COLUMNS)
  return rows.sort((one, other) => one.position - other.position)
}
