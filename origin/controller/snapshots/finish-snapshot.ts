/** What a host has kept is a snapshot from now on, its sandbox goes on, and whoever follows its events hears of it: in one transaction. */
import { and, eq, sql } from 'drizzle-orm'
import type { HostSnapshot } from '../../../shared/contracts/host-snapshots.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type SnapshotRow, snapshot } from '../database/schema/snapshots.ts'
import { tellOf } from '../events/tell-of.ts'
import { lockSandboxes } from '../sandboxes/lock-sandboxes.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'

/** Of what the host says. Which sandbox it is of, our own row says: a customer's machine may say anything. */
type Facts = Pick<HostSnapshot, 'bytes' | 'stopped_ms'>

/** Undefined when it is not being taken any more: it was deleted, or lost with its host. */
export const finishSnapshot = (
  { database }: Controller,
  { id, sandbox }: Pick<SnapshotRow, 'id' | 'sandbox'>,
  facts: Facts,
): Promise<SnapshotRow | undefined> =>
  database.db.transaction(async (tx) => {
    const [locked] = await lockSandboxes(tx, [sandbox])
    if (locked?.state === 'snapshotting') await moveSandbox(tx, locked.id, 'snapshotted')
    const kept = await markReady(tx, id, facts)
    // What belongs to something else is nobody's to name.
    if (kept !== undefined && kept.owner === null && locked !== undefined)
      await tellOf(tx, kept.sandbox, 'sandbox.snapshot.ready', { snapshot_id: id })
    return kept
  })

export async function markReady(
  db: Pick<Db, 'update'>,
  id: string,
  { bytes, stopped_ms }: Facts,
): Promise<SnapshotRow | undefined> {
  const [kept] = await db
    .update(snapshot)
    .set({
      state: 'ready',
      bytes,
      stoppedMs: Math.min(Math.round(stopped_ms), LIMITS.hostCopyMs),
      changedAt: sql`clock_timestamp()`,
    })
    .where(and(eq(snapshot.id, id), eq(snapshot.state, 'creating')))
    .returning()
  return kept
}
