/** Finding one snapshot. Whatever is another tenant's, or another user's of a key that is for one user, does not exist here. */
import { and, eq, isNull, ne, type SQL, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { type KeyStanding, type Principal, requireStanding } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { type SnapshotRow, snapshot } from '../database/schema/snapshots.ts'
import type { Reach } from '../sandboxes/find-sandbox.ts'
import type { Source } from '../sandboxes/plan-sandbox.ts'

export const noSnapshot = (): AppError => new AppError('snapshot_not_found', 'There is no such snapshot.')

/** The snapshots that exist for this principal. Those that something else is kept in are nobody's to name. */
export const withinReach = ({ tenant, externalUser, sandbox: only }: Reach): SQL[] => [
  eq(snapshot.tenant, tenant),
  ne(snapshot.state, 'deleting'),
  isNull(snapshot.owner),
  ...(externalUser === null ? [] : [eq(snapshot.externalUser, externalUser)]),
  ...(only === null ? [] : [eq(snapshot.sandbox, only)]),
]

/** `ofSandbox` is the only sandbox whose snapshots are meant. Throws snapshot_not_found. */
export async function findSnapshot(
  { database, region }: Pick<Controller, 'database' | 'region'>,
  principal: Principal,
  id: string,
  ofSandbox?: string,
): Promise<SnapshotRow> {
  if (parseId(id, 'snap')?.region !== region.code) throw noSnapshot()
  const [found] = await database.db
    .select({
      row: snapshot,
      standing: sql<KeyStanding>`standing_of_key(${principal.key}, ${principal.tenant})`,
    })
    .from(snapshot)
    .where(
      and(
        eq(snapshot.id, id),
        ...withinReach(principal),
        ofSandbox === undefined ? undefined : eq(snapshot.sandbox, ofSandbox),
      ),
    )
  if (found === undefined) throw noSnapshot()
  requireStanding(found.standing)
  return found.row
}

/** Throws what the caller should hear when there is nothing to go on from. */
export function requireReady(row: SnapshotRow): SnapshotRow {
  switch (row.state) {
    case 'ready':
      return row
    case 'creating':
      throw new AppError('state_conflict', 'The snapshot is still being taken.', { retryAfterSec: 1 })
    case 'failed':
      throw new AppError('snapshot_lost', `The snapshot is lost: ${row.lastError ?? 'no reason is known'}`)
    case 'deleting':
      throw noSnapshot()
  }
}

/** What a create that names a snapshot goes on from. */
export async function sourceOf(
  controller: Controller,
  principal: Principal,
  id: string | null | undefined,
): Promise<Source | undefined> {
  return id === null || id === undefined || id === ''
    ? undefined
    : requireReady(await findSnapshot(controller, principal, id))
}
