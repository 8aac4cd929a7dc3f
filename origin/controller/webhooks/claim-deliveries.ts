/**
 * Takes deliveries that are due, for a time that is longer than an attempt. Any controller may; a row goes to one of them, and to
 * another one when that was killed. Each webhook is looked at by itself and gives a few at most, so that however much waits for a
 * receiver that is slow, or away, the others are served.
 */
import { sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { delivery } from '../database/schema/events.ts'

export type Claimed = {
  id: string
  webhook: string
  sandbox: string | null
  body: string
  /** This attempt is counted. */
  attempts: number
}

/** `busy` says how many of each webhook this process has under way. */
export async function claimDeliveries(db: Db, room: number, busy: ReadonlyMap<string, number>): Promise<Claimed[]> {
  const { rows } = await db.execute<Claimed>(sql`
    with recursive receiver as (
      (select webhook from ${delivery} where status = 'pending' order by webhook limit 1)
      union all
      select (
        select later.webhook from ${delivery} later
        where later.status = 'pending' and later.webhook > receiver.webhook order by later.webhook limit 1)
      from receiver where receiver.webhook is not null),
    due as materialized (
      select one.id from receiver cross join lateral (
        select waiting.id, waiting.next_at from ${delivery} waiting
        where waiting.webhook = receiver.webhook and waiting.status = 'pending' and waiting.next_at <= now()
        order by waiting.next_at
        limit greatest(0, ${LIMITS.webhookDeliveriesOfOneAtOnceMax}::integer
          - coalesce((${JSON.stringify(Object.fromEntries(busy))}::jsonb ->> receiver.webhook)::integer, 0))
        for update skip locked) one
      order by one.next_at
      limit ${room}::integer)
    update ${delivery} set attempts = attempts + 1, next_at = now() + make_interval(secs => ${LIMITS.webhookLeaseMs / 1_000})
    from due where ${delivery}.id = due.id
    returning ${delivery}.id, ${delivery}.webhook, ${delivery}.sandbox, ${delivery}.body, ${delivery}.attempts`)
  return rows
}
