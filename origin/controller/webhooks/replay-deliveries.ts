/**
 * Sends finished deliveries again, each with its own event id, so that a receiver can tell. They go to the back of nothing: of one
 * sandbox they are sent in the order of its events, after what is under way. Under the publisher's lock, because who joins a line
 * relies on nobody else joining it.
 */
import { and, eq, type SQL, sql } from 'drizzle-orm'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { delivery } from '../database/schema/events.ts'
import { lockPublisher, type Tx } from '../events/publish.ts'
import { dueOrInLine, lastPlaces } from './make-deliveries.ts'
import { DELIVERY_COLUMNS, type DeliveryRow, deliveryNotFound } from './read-webhooks.ts'

/** One delivery, whatever came of it; one that still waits is left as it is. */
export async function replayDelivery(controller: Controller, webhookId: string, id: string): Promise<DeliveryRow> {
  if (parseId(id, 'dlv')?.region !== controller.region.code) throw deliveryNotFound()
  const row = await inLine(controller.database.db, async (tx) => {
    await tx.execute(putBack(webhookId, sql`status <> 'pending' and id = ${id}`))
    const [found] = await tx
      .select(DELIVERY_COLUMNS)
      .from(delivery)
      .where(and(eq(delivery.webhook, webhookId), eq(delivery.id, id)))
    return found
  })
  if (row === undefined) throw deliveryNotFound()
  controller.events.due()
  return row
}

/** The oldest of those that were given up, at most LIMITS.webhookReplayRowsMax. Says how many. */
export async function replayDead(controller: Controller, webhookId: string): Promise<number> {
  const count = await inLine(controller.database.db, async (tx) => {
    const { rowCount } = await tx.execute(putBack(webhookId, sql`status = 'dead'`))
    return rowCount ?? 0
  })
  controller.events.due()
  return count
}

const inLine = <T>(db: Db, fn: (tx: Tx) => Promise<T>): Promise<T> =>
  db.transaction(async (tx) => {
    await lockPublisher(tx, 'wait')
    return await fn(tx)
  })

const putBack = (webhookId: string, which: SQL): SQL => sql`
  with chosen as materialized (
    select id, webhook, sandbox, position from ${delivery}
    where webhook = ${webhookId} and ${which}
    order by id limit ${LIMITS.webhookReplayRowsMax} for update),
  ${lastPlaces(sql`select distinct webhook, sandbox from chosen where sandbox is not null`)}
  update ${delivery} set status = 'pending', attempts = 0, finished_at = null, response_status = null, error = null,
    next_at = ${dueOrInLine('chosen')}
  from chosen where ${delivery}.id = chosen.id`
