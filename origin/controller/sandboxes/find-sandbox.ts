/** Reading sandboxes of one tenant. Whatever belongs to another tenant does not exist here. */
import { and, arrayContains, desc, eq, lt, ne, type SQL, sql } from 'drizzle-orm'
import type * as z from 'zod'
import type { listQuery } from '../../../shared/contracts/sandboxes.ts'
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

/** The sandbox, if it is the tenant's and not destroyed. A failed one that shares its name with a living one is not meant. */
export async function findSandbox(db: Db, tenant: string, reference: string, regionCode: string): Promise<SandboxRow> {
  const [row] = await db
    .select(SANDBOX_COLUMNS)
    .from(sandbox)
    .where(matches(tenant, parseReference(reference, regionCode)))
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
    .where(matches(principal.tenant, parseReference(reference, regionCode)))
    .orderBy(sql`${sandbox.state} = 'error'`, desc(sandbox.id))
    .limit(1)
  if (found === undefined) throw notFound()
  requireStanding(found.standing)
  return found.row
}

const matches = (tenant: string, reference: { id: string } | { name: string }): SQL | undefined =>
  and(
    eq(sandbox.tenant, tenant),
    'id' in reference ? eq(sandbox.id, reference.id) : eq(sandbox.name, reference.name),
    ne(sandbox.state, 'destroyed'),
  )

/** The row whatever its state, for work that goes on with a sandbox it has already found. */
export async function readSandbox(db: Db, id: string): Promise<SandboxRow | undefined> {
  const [row] = await db.select(SANDBOX_COLUMNS).from(sandbox).where(eq(sandbox.id, id))
  return row
}

export type ListQuery = z.infer<typeof listQuery>
export type Page = { rows: SandboxRow[]; nextCursor: string | null }

/** Newest first. Without a limit everything up to LIMITS.listRowsMax, because clients in the field follow no pages. */
export async function listSandboxes(db: Db, tenant: string, query: ListQuery): Promise<Page> {
  if (query.cursor !== undefined && parseId(query.cursor, 'sbx') === null)
    throw new AppError('invalid_request', 'The cursor is not one of ours.', {
      details: { cursor: ['is not a cursor'] },
    })
  const limit = query.limit ?? LIMITS.listRowsMax
  const rows = await db
    .select(SANDBOX_COLUMNS)
    .from(sandbox)
    .where(and(eq(sandbox.tenant, tenant), ...filtersOf(query)))
    .orderBy(desc(sandbox.id))
    .limit(limit + 1)
  const page = rows.slice(0, limit)
  return { rows: page, nextCursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null }
}

function filtersOf(query: ListQuery): SQL[] {
  const tags = query.tags?.split(',').filter((tag) => tag !== '') ?? []
  return [
    query.state === 'destroyed' ? eq(sandbox.state, 'destroyed') : ne(sandbox.state, 'destroyed'),
    ...(query.state === undefined ? [] : [eq(sandbox.state, query.state)]),
    ...(query.template_id === undefined ? [] : [eq(sandbox.template, query.template_id)]),
    ...(tags.length === 0 ? [] : [arrayContains(sandbox.tags, tags)]),
    ...(query.external_workspace_id === undefined
      ? []
      : [eq(sandbox.externalWorkspaceId, query.external_workspace_id)]),
    ...(query.external_user_id === undefined ? [] : [eq(sandbox.externalUserId, query.external_user_id)]),
    ...(query.external_project_id === undefined ? [] : [eq(sandbox.externalProjectId, query.external_project_id)]),
    ...(query.cursor === undefined ? [] : [lt(sandbox.id, query.cursor)]),
  ]
}
