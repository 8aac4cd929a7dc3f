/**
 * Deliveries of events that were just given their places, made in the same transaction, so that none is ever missed.
 *
 * Of one webhook and one sandbox a single delivery is due at a time, and the others wait in line behind it: `next_at` is infinity. Who
 * finishes one lets the next one go (see finish-delivery.ts). A new one joins the line under a share lock on its last place, which
 * whoever finishes that must wait for; so no one is left in a line that nobody moves.
 */
import { and, inArray, isNull, type SQL, sql } from 'drizzle-orm'
import { newId } from '../../../shared/ids.ts'
import { delivery, webhook } from '../database/schema/events.ts'
import type { EventIds } from '../events/event-ids.ts'
import { nameForWebhook } from '../events/match-event.ts'
import type { Tx } from '../events/publish.ts'
import type { EventRow } from '../events/read-events.ts'

export type DeliveryMaker = {
  ids: EventIds
  region: string
  clock: () => number
  random: (bytes: number) => Uint8Array
}

const ID_RANDOM_BYTES = 16

/** Says how many were made. `published` is in the order of its places. */
export async function makeDeliveries(tx: Tx, maker: DeliveryMaker, published: readonly EventRow[]): Promise<number> {
  const tenants = [...new Set(published.map(({ tenant }) => tenant))]
  if (tenants.length === 0) return 0
  const webhooks = await tx
    .select({ id: webhook.id, tenant: webhook.tenant, events: webhook.events })
    .from(webhook)
    .where(and(inArray(webhook.tenant, tenants), webhook.active, isNull(webhook.deletedAt)))
  const wanted = published.flatMap((row) =>
    webhooks.flatMap(({ id, tenant, events }) => {
      const name = tenant === row.tenant ? nameForWebhook(events, row.type) : undefined
      return name === undefined ? [] : [deliveryOf(maker, id, name, row)]
    }),
  )
  if (wanted.length > 0) await tx.execute(joinLines(wanted))
  return wanted.length
}

type Wanted = {
  id: string
  webhook: string
  tenant: string
  event_id: string
  type: string
  sandbox: string
  position: number
  body: string
}

function deliveryOf(
  { ids, region, clock, random }: DeliveryMaker,
  webhookId: string,
  type: string,
  row: EventRow,
): Wanted {
  const eventId = ids.of(row.position, row.ts)
  return {
    id: newId('dlv', region, clock(), random(ID_RANDOM_BYTES)),
    webhook: webhookId,
    tenant: row.tenant,
    event_id: eventId,
    type,
    sandbox: row.sandbox,
    position: row.position,
    body: bodyOf(eventId, type, row.ts, { sandbox_id: row.sandbox, region, ...row.data }),
  }
}

/** The body of a delivery, as it is signed, stored and sent. */
export const bodyOf = (id: string, type: string, at: Date, data: Record<string, unknown>): string =>
  JSON.stringify({ id, type, created_at: at.toISOString(), data })

const joinLines = (wanted: readonly Wanted[]): SQL => sql`
  with fresh as (
    select * from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb)
      as of(id text, webhook text, tenant text, event_id text, type text, sandbox text, position bigint, body text)),
  ${lastPlaces(sql`select distinct webhook, sandbox from fresh`)}
  insert into ${delivery} (id, webhook, tenant, event_id, type, sandbox, position, body, status, next_at, created_at)
  select id, webhook, tenant, event_id, type, sandbox, position, body, 'pending', ${dueOrInLine('fresh')}, now()
  from fresh`

/** Of each line that is named, whether somebody stands in it, who stays there until this transaction has ended. */
export const lastPlaces = (lines: SQL): SQL => sql`
  last_place as materialized (
    select line.webhook, line.sandbox from (${lines}) line
    cross join lateral (
      select from ${delivery} ahead
      where ahead.webhook = line.webhook and ahead.sandbox = line.sandbox and ahead.status = 'pending'
      order by ahead.position desc limit 1 for share) ahead)`

/** The moment at which a row of `rows` is due: now when it is the first of its line. */
export const dueOrInLine = (rows: string): SQL => {
  const row = sql.identifier(rows)
  return sql`case when
    exists (select from last_place where last_place.webhook = ${row}.webhook and last_place.sandbox = ${row}.sandbox)
    or exists (
      select from ${row} earlier
      where earlier.webhook = ${row}.webhook and earlier.sandbox = ${row}.sandbox and earlier.position < ${row}.position)
    then 'infinity' else now() end`
}
