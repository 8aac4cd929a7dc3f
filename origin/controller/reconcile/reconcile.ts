/** Compares what is with what should be, and mends it. Takes no input, may run anywhere at any time; one controller at a time does. */
import { lt, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { idempotency } from '../database/schema/idempotency.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { matchHosts } from './match-hosts.ts'
import { mendMeters } from './mend-meters.ts'

export const keepReconciling = (controller: Controller): Repeating[] => [
  ...matchHosts(controller),
  repeat(LIMITS.reconcileMs, controller.log, 'reconcile.keys_failed', async () => {
    if (await controller.instance.lead()) await forgetExpiredKeys(controller)
  }),
  repeat(LIMITS.reconcileMetersMs, controller.log, 'reconcile.meters_failed', async () => {
    if (await controller.instance.lead()) await mendMeters(controller)
  }),
]

/** A bounded number at a time, so that a backlog cannot hold the database. By `now()`, because no index serves a clock that moves. */
async function forgetExpiredKeys({ database: { db } }: Controller): Promise<void> {
  const expired = db
    .select({ place: sql`ctid` })
    .from(idempotency)
    .where(lt(idempotency.expiresAt, sql`now()`))
    .limit(LIMITS.reconcileRowsMax)
  await db.delete(idempotency).where(sql`ctid = any(array(${expired}))`)
}
