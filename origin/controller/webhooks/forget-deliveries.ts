/** Forgets deliveries that ended long ago. What still waits is kept for as long as it waits. */
import { inArray, lt, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { delivery } from '../database/schema/events.ts'

/** Deletes at most `rowsMax` rows and says how many. */
export async function forgetFinishedDeliveries(db: Db, rowsMax: number): Promise<number> {
  const old = db
    .select({ id: delivery.id })
    .from(delivery)
    .where(lt(delivery.finishedAt, sql`now() - make_interval(secs => ${LIMITS.webhookDeliveryRetentionMs / 1_000})`))
    .orderBy(delivery.finishedAt)
    .limit(rowsMax)
  const { rowCount } = await db.delete(delivery).where(inArray(delivery.id, old))
  return rowCount ?? 0
}
