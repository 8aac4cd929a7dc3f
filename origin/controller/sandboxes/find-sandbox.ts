/** Finding one sandbox. Whatever is another tenant's, or another user's of a key that is for one user, does not exist here. */
import { and, desc, eq, ne, type SQL, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type KeyStanding, type Principal, requireStanding } from '../accounts/principal.ts'
import type { Db } from '../database/connect.ts'
import { SANDBOX_COLUMNS, type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'

export const notFound = (): AppError => new AppError('sandbox_not_found', 'There is no such sandbox.')

/**
 * What a path names: an id, or else a name. What begins like an id and is not one, or is one of another region, is answered
 * without the database.
 */
export function parseReference(reference: string, regionCode: string): { id: string } | { name: string } {
  if (!reference.startsWith('sbx_')) {
    if (reference.length > LIMITS.nameCharsMax || reference.includes('\0')) throw notFound()
    return { name: reference }
  }
  if (parseId(reference, 'sbx')?.region !== regionCode) throw notFound()
  return { id: reference }
}

/** What of a principal decides which sandboxes there are for it. */
export type Reach = Pick<Principal, 'tenant' | 'externalUser' | 'sandbox'>

/** The sandboxes that exist for this principal, destroyed ones included: the beginning of every statement that finds any. */
export const within = ({ tenant, externalUser, sandbox: only }: Reach): SQL[] => [
  eq(sandbox.tenant, tenant),
  ...(externalUser === null ? [] : [eq(sandbox.externalUserId, externalUser)]),
  ...(only === null ? [] : [eq(sandbox.id, only)]),
]

/** The sandbox, if it is within reach and not destroyed. A failed one that shares its name with a living one is not meant. */
export async function findSandbox(db: Db, reach: Reach, reference: string, regionCode: string): Promise<SandboxRow> {
  const [row] = await db
    .select(SANDBOX_COLUMNS)
    .from(sandbox)
    .where(matches(reach, parseReference(reference, regionCode)))
    .orderBy(sql`${sandbox.state} = 'error'`, desc(sandbox.id))
    .limit(1)
  if (row === undefined) throw notFound()
  return row
}

/** The same for a request that changes something: the key's standing is asked in the same statement. */
export async function findForChange(
  db: Db,
  principal: Principal,
  reference: string,
  regionCode: string,
): Promise<SandboxRow> {
  const [found] = await db
    .select({
      row: SANDBOX_COLUMNS,
      standing: sql<KeyStanding>`standing_of_key(${principal.key}, ${principal.tenant})`,
    })
    .from(sandbox)
    .where(matches(principal, parseReference(reference, regionCode)))
    .orderBy(sql`${sandbox.state} = 'error'`, desc(sandbox.id))
    .limit(1)
  if (found === undefined) throw notFound()
  requireStanding(found.standing)
  return found.row
}

const matches = (reach: Reach, reference: { id: string } | { name: string }): SQL | undefined =>
  and(
    ...within(reach),
    'id' in reference ? eq(sandbox.id, reference.id) : eq(sandbox.name, reference.name),
    ne(sandbox.state, 'destroyed'),
  )

/** The row whatever its state, for work that goes on with a sandbox it has already found. */
export async function readSandbox(db: Db, id: string): Promise<SandboxRow | undefined> {
  const [row] = await db.select(SANDBOX_COLUMNS).from(sandbox).where(eq(sandbox.id, id))
  return row
}
