/**
 * Compares what one host keeps with the rows of the snapshots that should be there, and mends the difference.
 *
 * As with machines, the order of looking makes it safe: first the database's clock, then the host, then the rows. A row is written before
 * its host is asked and deleted after the host has forgotten, so what is kept without a row is nobody's.
 */
import { and, eq, sql } from 'drizzle-orm'
import type { HostSnapshot } from '../../../shared/contracts/host-snapshots.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type SnapshotRow, snapshot } from '../database/schema/snapshots.ts'
import type { Host } from '../hosts/client.ts'
import { describeError } from '../log.ts'
import { discardSnapshot, forgetSnapshot } from '../snapshots/discard-snapshot.ts'
import { finishSnapshot } from '../snapshots/finish-snapshot.ts'
import { databaseTime } from './database-time.ts'
import { decideSnapshotMend } from './decide-snapshot-mend.ts'

type Row = Pick<SnapshotRow, 'id' | 'sandbox' | 'host' | 'state' | 'changedAt' | 'instance'> & {
  isOwnerAlive: boolean
  ageMs: number
}

export async function matchSnapshots(controller: Controller, host: Host): Promise<void> {
  const before = await databaseTime(controller)
  const answer = await host.snapshots()
  // One that is away, or too old to keep anything, says nothing about what it keeps.
  if (answer.kind !== 'done') return
  const kept = new Map(answer.value.snapshots.filter(isOurs(controller)).map((one) => [one.id, one]))
  const rows = await readRows(controller, host.name)
  for (const row of rows) {
    if (controller.isDraining()) return
    if (controller.inFlight.has(row.id) || row.changedAt.getTime() >= before) continue
    await mend(controller, row, kept.get(row.id)).catch((err: unknown) =>
      controller.log('warn', 'reconcile.mend_failed', { snapshot: row.id, error: describeError(err) }),
    )
  }
  const known = new Set(rows.map(({ id }) => id))
  for (const id of kept.keys()) if (!known.has(id)) await endStray(controller, host, id)
}

/** A host may keep things of its own, too. */
const isOurs =
  ({ region }: Controller) =>
  ({ id }: HostSnapshot): boolean =>
    parseId(id, 'snap')?.region === region.code

const readRows = ({ database }: Controller, host: string): Promise<Row[]> =>
  database.db
    .select({
      id: snapshot.id,
      sandbox: snapshot.sandbox,
      host: snapshot.host,
      state: snapshot.state,
      changedAt: snapshot.changedAt,
      instance: snapshot.instance,
      isOwnerAlive: sql<boolean>`${snapshot.state} <> 'creating' or instance_alive(${snapshot.instance})`,
      ageMs: sql`extract(epoch from clock_timestamp() - ${snapshot.changedAt}) * 1000`.mapWith(Number),
    })
    .from(snapshot)
    .where(eq(snapshot.host, host))

async function mend(controller: Controller, row: Row, kept: HostSnapshot | undefined): Promise<void> {
  const isMine = row.instance === controller.instance.number
  const isOrphan =
    row.ageMs > LIMITS.createStaleMs * 2 || ((isMine || !row.isOwnerAlive) && row.ageMs > LIMITS.instanceGraceMs)
  const what = decideSnapshotMend({ state: row.state, isKept: kept !== undefined, isOrphan })
  if (what === 'leave') return
  controller.metrics.mends.inc({ kind: what })
  controller.log('info', 'reconcile.snapshot', { snapshot: row.id, host: row.host, what })
  switch (what) {
    case 'snapshot_finish':
      if (kept !== undefined) await finishSnapshot(controller, row, kept)
      return
    case 'snapshot_lost':
    case 'snapshot_found':
      await write(controller, row, what === 'snapshot_found')
      return
    case 'snapshot_undo':
      await discardSnapshot(controller, row.id)
      return
    case 'snapshot_forget':
      await forgetSnapshot(controller, row)
  }
}

async function write({ database }: Controller, { id, state }: Row, isFound: boolean): Promise<void> {
  const found = { state: 'ready' as const, lastError: null }
  const lost = { state: 'failed' as const, lastError: 'Its host does not have it any more.' }
  await database.db
    .update(snapshot)
    .set({ ...(isFound ? found : lost), changedAt: sql`clock_timestamp()` })
    .where(and(eq(snapshot.id, id), eq(snapshot.state, state)))
}

async function endStray(controller: Controller, host: Host, id: string): Promise<void> {
  if (controller.inFlight.has(id)) return
  controller.metrics.mends.inc({ kind: 'snapshot_stray' })
  controller.log('warn', 'reconcile.snapshot_stray', { snapshot: id, host: host.name })
  await host.removeSnapshot(id)
}
