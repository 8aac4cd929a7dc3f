/**
 * What a host kept that is lost or was removed. It says so; and what was being deleted there is deleted. Should the host come back with
 * them, the reconciler finds them again.
 */
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Controller } from '../controller.ts'
import { snapshot } from '../database/schema/snapshots.ts'

/** How many were given up. Safe to repeat. */
export async function giveUpSnapshots(
  { database: { db }, metrics, log }: Controller,
  host: string,
  lastError: string,
): Promise<number> {
  const lost = await db
    .update(snapshot)
    .set({ state: 'failed', lastError, changedAt: sql`clock_timestamp()` })
    .where(and(eq(snapshot.host, host), inArray(snapshot.state, ['creating', 'ready'])))
    .returning({ id: snapshot.id })
  await db.delete(snapshot).where(and(eq(snapshot.host, host), eq(snapshot.state, 'deleting')))
  metrics.mends.inc({ kind: 'snapshot_give_up' }, lost.length)
  if (lost.length > 0) log('warn', 'host.snapshots_given_up', { host, count: lost.length, why: lastError })
  return lost.length
}
