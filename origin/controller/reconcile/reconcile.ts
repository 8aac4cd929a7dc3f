/** Compares what is with what should be, and mends it. Takes no input, may run anywhere at any time; one controller at a time does. */
import { inArray, lt, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { idempotency } from '../database/schema.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { matchHost } from './match-host.ts'

export const keepReconciling = (controller: Controller): Repeating =>
  repeat(LIMITS.reconcileMs, controller.log, 'reconcile.failed', () => reconcile(controller))

export async function reconcile(controller: Controller): Promise<void> {
  if (!(await controller.instance.lead())) return
  await Promise.all([...controller.hosts.values()].map((host) => matchHost(controller, host)))
  await forgetExpiredKeys(controller)
}

/** A bounded number at a time, so that a backlog cannot hold the database. */
async function forgetExpiredKeys({ database: { db } }: Controller): Promise<void> {
  const expired = db
    .select({ place: sql`ctid` })
    .from(idempotency)
    .where(lt(idempotency.expiresAt, sql`clock_timestamp()`))
    .limit(LIMITS.reconcileRowsMax)
  await db.delete(idempotency).where(inArray(sql`ctid`, expired))
}
