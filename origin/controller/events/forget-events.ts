/** Forgets events that are older than anybody may go on from: a bounded number at a time, and never one that was not told yet. */
import { and, inArray, isNotNull, lt, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { event } from '../database/schema/events.ts'

/** Places are nearly in the order of time, so the first rows are the oldest and nothing else is looked at. Says how many went. */
export async function forgetOldEvents(db: Db, rowsMax: number): Promise<number> {
  const first = db
    .select({ position: event.position })
    .from(event)
    .where(isNotNull(event.position))
    .orderBy(event.position)
    .limit(rowsMax)
  const cutoff = sql`now() - make_interval(secs => ${LIMITS.eventRetentionMs / 1_000})`
  const { rowCount } = await db.delete(event).where(and(inArray(event.position, first), lt(event.ts, cutoff)))
  return rowCount ?? 0
}
