/**
 * The delivery of a test, made once for an Idempotency-Key. The key is bound to it in the transaction that writes it; so a repeat hears
 * what became of that delivery, also when the process that made the attempt died in the middle of it.
 */
import { and, eq, sql } from 'drizzle-orm'
import type { PgInsertValue } from 'drizzle-orm/pg-core'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { OnceClaim } from '../accounts/answer-once.ts'
import type { Controller } from '../controller.ts'
import { delivery } from '../database/schema/events.ts'
import { idempotency } from '../database/schema/idempotency.ts'
import type { Tx } from '../events/publish.ts'
import { DELIVERY_COLUMNS, type DeliveryRow } from './read-webhooks.ts'

export type TestDelivery = { kind: 'made' } | { kind: 'earlier'; row: DeliveryRow }

/** Throws idempotency_in_progress while the first request with this key has no outcome. */
export async function claimTest(
  { database, instance }: Controller,
  once: OnceClaim | undefined,
  made: PgInsertValue<typeof delivery> & { id: string },
): Promise<TestDelivery> {
  return await database.db.transaction(async (tx): Promise<TestDelivery> => {
    const earlier = once === undefined ? undefined : await bind(tx, once, made.id, instance.number)
    if (earlier !== undefined) return { kind: 'earlier', row: await finished(tx, earlier) }
    await tx.insert(delivery).values(made)
    return { kind: 'made' }
  })
}

/** The id of the delivery to which the key is bound already; undefined when that is this one. */
async function bind(tx: Tx, once: OnceClaim, id: string, instance: number): Promise<string | undefined> {
  const { tenant, route, key } = once
  const place = and(eq(idempotency.tenant, tenant), eq(idempotency.route, route), eq(idempotency.key, key))
  await tx.delete(idempotency).where(and(place, sql`${idempotency.expiresAt} <= now()`))
  const expiresAt = sql`now() + make_interval(secs => ${LIMITS.idempotencyTtlSec})`
  const bound = await tx
    .insert(idempotency)
    .values({ ...once, sandbox: id, instance, expiresAt })
    .onConflictDoNothing()
  if (bound.rowCount === 1) return undefined
  const [earlier] = await tx.select({ id: idempotency.sandbox }).from(idempotency).where(place)
  return earlier?.id
}

async function finished(tx: Tx, id: string): Promise<DeliveryRow> {
  const [row] = await tx.select(DELIVERY_COLUMNS).from(delivery).where(eq(delivery.id, id))
  if (row !== undefined && row.status !== 'pending') return row
  throw new AppError('idempotency_in_progress', 'The test that was asked for with this key is under way.')
}
