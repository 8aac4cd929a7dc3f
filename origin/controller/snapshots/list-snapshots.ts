/** Lists of snapshots, newest first. */
import { and, desc, eq, ilike, lt, or, type SQL } from 'drizzle-orm'
import type { SnapshotListQuery } from '../../../shared/contracts/snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { idInRegion, parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type SnapshotRow, snapshot } from '../database/schema/snapshots.ts'
import type { Reach } from '../sandboxes/find-sandbox.ts'
import { withinReach } from './find-snapshot.ts'

export async function listSnapshots(
  { database, region }: Pick<Controller, 'database' | 'region'>,
  reach: Reach,
  { limit = LIMITS.listRowsMax, cursor, resource_id, q }: SnapshotListQuery,
): Promise<{ rows: SnapshotRow[]; nextCursor: string | null }> {
  const found = await database.db
    .select()
    .from(snapshot)
    .where(
      and(
        ...withinReach(reach),
        resource_id === undefined ? undefined : eq(snapshot.sandbox, resource_id),
        q === undefined || q === '' ? undefined : or(eq(snapshot.id, q), ilike(snapshot.comment, `%${escaped(q)}%`)),
        belowCursor(cursor, region.code),
      ),
    )
    .orderBy(desc(snapshot.id))
    .limit(limit + 1)
  const rows = found.slice(0, limit)
  return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.id ?? null) : null }
}

/** What is searched for is text, and no pattern. */
const escaped = (text: string): string => text.replaceAll(/[\\%_]/g, (sign) => `\\${sign}`)

/** A cursor of another region is a moment here, too: lists over regions go on below the same one. */
function belowCursor(cursor: string | undefined, regionCode: string): SQL | undefined {
  if (cursor === undefined) return undefined
  const id = parseId(cursor, 'snap')
  if (id === null)
    throw new AppError('invalid_request', 'The cursor is not one of ours.', {
      details: { cursor: ['is not a cursor'] },
    })
  return lt(snapshot.id, idInRegion(id, regionCode))
}
