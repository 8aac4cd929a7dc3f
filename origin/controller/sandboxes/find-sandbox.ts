/** Finding one sandbox. Whatever is another tenant's, or another user's of a key that is for one user, does not exist here. */
import { and, desc, eq, type Placeholder, type SQL, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type KeyStanding, type Principal, requireStanding } from '../accounts/principal.ts'
import type { Db } from '../database/connect.ts'
import { prepared } from '../database/prepared.ts'
import {
  CALLED_COLUMNS,
  type CalledRow,
  SANDBOX_COLUMNS,
  type SandboxRow,
  sandbox,
} from '../database/schema/sandboxes.ts'

export const notFound = (): AppError => new AppError('sandbox_not_found', 'There is no such sandbox.')

type Reference = { id: string } | { name: string }

/**
 * What a path names: an id, or else a name. What begins like an id and is not one, or is one of another region, is answered
 * without the database.
 */
export function parseReference(reference: string, regionCode: string): Reference {
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
export const within = ({ tenant, externalUser, sandbox: only }: Given<Reach>): SQL[] => [
  eq(sandbox.tenant, tenant),
  ...(externalUser === null ? [] : [eq(sandbox.externalUserId, externalUser)]),
  ...(only === null ? [] : [eq(sandbox.id, only)]),
]

/** With values, or with the places of values that are given when the statement is sent. */
type Given<Facts> = { [Name in keyof Facts]: Facts[Name] | Placeholder }

/** Which places a statement has: a reference is an id or a name, and not every principal has a user or a sandbox of its own. */
type Shape = `${'id' | 'name'}${'' | '_user'}${'' | '_only'}`

const shapeOf = ({ externalUser, sandbox: only }: Reach, reference: Reference): Shape =>
  `${'id' in reference ? 'id' : 'name'}${externalUser === null ? '' : '_user'}${only === null ? '' : '_only'}`

const preparedFind = prepared((db, shape: Shape) =>
  db
    .select(SANDBOX_COLUMNS)
    .from(sandbox)
    .where(matching(shape))
    .orderBy(...orderOf(shape))
    .limit(1)
    .prepare(`find_sandbox_${shape}`),
)

const STANDING = sql<KeyStanding>`standing_of_key(${sql.placeholder('key')}, ${sql.placeholder('tenant')})`

const preparedFindForChange = prepared((db, shape: Shape) =>
  db
    .select({ row: SANDBOX_COLUMNS, standing: STANDING })
    .from(sandbox)
    .where(matching(shape))
    .orderBy(...orderOf(shape))
    .limit(1)
    .prepare(`find_sandbox_for_change_${shape}`),
)

const preparedFindForCall = prepared((db, shape: Shape) =>
  db
    .select({ row: CALLED_COLUMNS, standing: STANDING })
    .from(sandbox)
    .where(matching(shape))
    .orderBy(...orderOf(shape))
    .limit(1)
    .prepare(`find_sandbox_for_call_${shape}`),
)

const LIVING_FIRST = [sql`${sandbox.state} = 'error'`, desc(sandbox.id)]

/** A failed one that shares its name with a living one is not meant. An id has nobody to share with, and sorting takes its time. */
const orderOf = (shape: Shape): SQL[] => (shape.startsWith('id') ? [] : LIVING_FIRST)

function matching(shape: Shape): SQL | undefined {
  const given = {
    tenant: sql.placeholder('tenant'),
    externalUser: shape.includes('_user') ? sql.placeholder('externalUser') : null,
    sandbox: shape.includes('_only') ? sql.placeholder('sandbox') : null,
  }
  const named = eq(shape.startsWith('id') ? sandbox.id : sandbox.name, sql.placeholder('reference'))
  // Written out, because what is given later says nothing to whoever chooses an index.
  return and(...within(given), named, sql`${sandbox.state} <> 'destroyed'`)
}

const valuesOf = ({ tenant, externalUser, sandbox: only }: Reach, reference: Reference) => ({
  tenant,
  externalUser,
  sandbox: only,
  reference: 'id' in reference ? reference.id : reference.name,
})

/** The sandbox, if it is within reach and not destroyed. */
export async function findSandbox(db: Db, reach: Reach, reference: string, regionCode: string): Promise<SandboxRow> {
  const parsed = parseReference(reference, regionCode)
  const [row] = await preparedFind(db, shapeOf(reach, parsed)).execute(valuesOf(reach, parsed))
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
  const parsed = parseReference(reference, regionCode)
  const statement = preparedFindForChange(db, shapeOf(principal, parsed))
  return standing(await statement.execute({ key: principal.key, ...valuesOf(principal, parsed) }))
}

/** The same for a call into the sandbox, which changes something there. */
export async function findForCall(
  db: Db,
  principal: Principal,
  reference: string,
  regionCode: string,
): Promise<CalledRow> {
  const parsed = parseReference(reference, regionCode)
  const statement = preparedFindForCall(db, shapeOf(principal, parsed))
  return standing(await statement.execute({ key: principal.key, ...valuesOf(principal, parsed) }))
}

function standing<Row>([found]: { row: Row; standing: KeyStanding }[]): Row {
  if (found === undefined) throw notFound()
  requireStanding(found.standing)
  return found.row
}

/** The row whatever its state, for work that goes on with a sandbox it has already found. */
export async function readSandbox(db: Db, id: string): Promise<SandboxRow | undefined> {
  const [row] = await db.select(SANDBOX_COLUMNS).from(sandbox).where(eq(sandbox.id, id))
  return row
}
