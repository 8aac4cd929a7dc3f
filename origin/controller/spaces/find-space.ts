/** Finding one space, by id or name. Whatever is another tenant's, or another user's of a key that is for one user, does not exist here. */
import { and, desc, eq, lt, type SQL, sql } from 'drizzle-orm'
import { type SpaceListQuery, spaceNameSchema } from '../../../shared/contracts/spaces.ts'
import { AppError } from '../../../shared/errors.ts'
import { idInRegion, parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type KeyStanding, type Principal, requireStanding } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type SpaceRow, space } from '../database/schema/spaces.ts'
import type { Reach } from '../sandboxes/find-sandbox.ts'

export const noSpace = (): AppError => new AppError('not_found', 'There is no such space.')

/** A token that is for one sandbox has none: a space outlives its sandboxes. */
const within = ({ tenant, externalUser, sandbox: only }: Reach): SQL[] => [
  eq(space.tenant, tenant),
  ...(externalUser === null ? [] : [eq(space.externalUser, externalUser)]),
  ...(only === null ? [] : [sql`false`]),
]

/** A tenant's own comes before one of its users' that has the same name. Throws not_found. */
export async function findSpace(
  { database, region }: Pick<Controller, 'database' | 'region'>,
  principal: Principal,
  reference: string,
): Promise<SpaceRow> {
  const [found] = await database.db
    .select({ row: space, standing: sql<KeyStanding>`standing_of_key(${principal.key}, ${principal.tenant})` })
    .from(space)
    .where(and(...within(principal), named(reference, region.code)))
    .orderBy(sql`${space.externalUser} is not null`, desc(space.id))
    .limit(1)
  if (found === undefined) throw noSpace()
  requireStanding(found.standing)
  return found.row
}

/** Throws not_found for what can be neither an id of this region nor a name, such as a path. */
function named(reference: string, regionCode: string): SQL {
  if (parseId(reference, 'spc')?.region === regionCode) return eq(space.id, reference)
  if (!spaceNameSchema.safeParse(reference).success) throw noSpace()
  return eq(space.name, reference)
}

export async function readSpace(db: Pick<Db, 'select'>, id: string): Promise<SpaceRow | undefined> {
  const [row] = await db.select().from(space).where(eq(space.id, id))
  return row
}

/** Newest first. */
export async function listSpaces(
  { database, region }: Pick<Controller, 'database' | 'region'>,
  reach: Reach,
  { limit = LIMITS.listRowsMax, cursor }: SpaceListQuery,
): Promise<{ rows: SpaceRow[]; nextCursor: string | null }> {
  const found = await database.db
    .select()
    .from(space)
    .where(and(...within(reach), belowCursor(cursor, region.code)))
    .orderBy(desc(space.id))
    .limit(limit + 1)
  const rows = found.slice(0, limit)
  return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.id ?? null) : null }
}

/** A cursor of another region is a moment here, too: lists over regions go on below the same one. */
function belowCursor(cursor: string | undefined, regionCode: string): SQL | undefined {
  if (cursor === undefined) return undefined
  const id = parseId(cursor, 'spc')
  if (id === null)
    throw new AppError('invalid_request', 'The cursor is not one of ours.', {
      details: { cursor: ['is not a cursor'] },
    })
  return lt(space.id, idInRegion(id, regionCode))
}
