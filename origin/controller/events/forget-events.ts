/** Forgets events that are older than anybody may go on from: a bounded number at a time, and never one that was not told yet. */
import { isNotNull, lt, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { event } from '../database/schema/events.ts'

/** Places are nearly in the order of time, so the first rows are the oldest and nothing else is looked at. Says how many went. */
export async function forgetOldEvents(db: Db, rowsMax: number): Promise<number> {
  const first = db
    .select({ position: event.position, ts: event.ts })
    .from(event)
    .where(isNotNull(event.position))
    .orderBy(event.position)
    .limit(rowsMax)
    .as('first')
  const old = db
    .select({ position: first.position })
    .from(first)
    .where(lt(first.ts, sql`now() - make_interval(secs => ${LIMITS.eventRetentionMs / 1_000})`))
  const { rowCount } = await db.delete(event).where(sql`${event.position} = any(array(${old}))`)
  return rowCount ?? 0
}
