/** Lists of sandboxes: filters, and pages by cursor or by number. */
import { and, arrayContains, desc, eq, gt, inArray, lt, ne, or, type SQL, sql } from 'drizzle-orm'
import { type ListQuery, metadataFilters } from '../../../shared/contracts/sandbox-list.ts'
import { idInRegion, parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { workspace } from '../database/schema/accounts.ts'
import { SANDBOX_COLUMNS, type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { notACursor } from '../not-a-cursor.ts'
import { type Reach, within } from './find-sandbox.ts'

export type Page = {
  rows: SandboxRow[]
  nextCursor: string | null
  /** Undefined in pages by cursor, and where there is more than one answer has room for: the cursor leads on, and nothing is counted. */
  place: { page: number; size: number; total: number } | undefined
}

/** Newest first. Without paging everything up to LIMITS.listRowsMax, because clients in the field follow no pages. */
export async function listSandboxes(controller: Controller, reach: Reach, query: ListQuery): Promise<Page> {
  const { db } = controller.database
  const wanted = and(...within(reach), ...filtersOf(query, reach.tenant, controller.region))
  const pageSize = query.page_size ?? query.per_page
  const isByPage = query.page !== undefined || pageSize !== undefined
  const size = pageSize ?? query.limit ?? (isByPage ? LIMITS.listPageRowsDefault : LIMITS.listRowsMax)
  const page = query.page ?? 1
  const found = await db
    .select(SANDBOX_COLUMNS)
    .from(sandbox)
    .where(and(wanted, belowCursor(query.cursor, controller.region.code)))
    .orderBy(desc(sandbox.id))
    .limit(size + 1)
    .offset((page - 1) * size)
  const rows = found.slice(0, size)
  const hasMore = found.length > size
  const nextCursor = hasMore ? (rows.at(-1)?.id ?? null) : null
  const isByCursor = !isByPage && (query.limit !== undefined || query.cursor !== undefined)
  if (isByCursor || (!isByPage && hasMore)) return { rows, nextCursor, place: undefined }
  const total = page === 1 && !hasMore ? rows.length : await db.$count(sandbox, wanted)
  return { rows, nextCursor, place: { page, size, total } }
}

/** A cursor of another region is a moment here, too: lists over regions go on below the same one. */
function belowCursor(cursor: string | undefined, regionCode: string): SQL | undefined {
  if (cursor === undefined) return undefined
  const id = parseId(cursor, 'sbx')
  if (id === null) throw notACursor()
  return lt(sandbox.id, idInRegion(id, regionCode))
}

function filtersOf(query: ListQuery, tenant: string, region: Controller['region']): (SQL | undefined)[] {
  const tags = query.tags?.split(',').filter((tag) => tag !== '') ?? []
  const given = <Value>(value: Value | undefined, filter: (value: Value) => SQL | undefined): SQL[] => {
    const made = value === undefined ? undefined : filter(value)
    return made === undefined ? [] : [made]
  }
  const template = query.template_id ?? query.template
  return [
    query.state === 'destroyed' ? eq(sandbox.state, 'destroyed') : ne(sandbox.state, 'destroyed'),
    ...given(query.state, (state) => eq(sandbox.state, state)),
    ...given(query.name, (name) => eq(sandbox.name, name)),
    // Of one of the tenant's own any version, or the one that is named.
    ...given(template, (name) =>
      or(eq(sandbox.template, name), sql`split_part(${sandbox.template}, ':', 1) = ${name}`),
    ),
    ...given(query.region, (asked) => (isHere(asked, region) ? undefined : sql`false`)),
    // The first half is what the index of the second is made for.
    ...(tags.length === 0 ? [] : [sql`cardinality(${sandbox.tags}) > 0`, arrayContains(sandbox.tags, tags)]),
    ...given(query.workspace_id, (id) => eq(sandbox.workspace, id)),
    ...given(query.workspace_slug, (slug) => inWorkspace(tenant, eq(workspace.slug, slug))),
    ...given(query.workspace_name, (name) => inWorkspace(tenant, eq(workspace.name, name))),
    ...given(query.workspace, (either) =>
      inWorkspace(tenant, or(eq(workspace.id, either), eq(workspace.slug, either))),
    ),
    ...given(query.external_workspace_id, (id) => eq(sandbox.externalWorkspaceId, id)),
    ...given(query.external_user_id, (id) => eq(sandbox.externalUserId, id)),
    ...given(query.external_project_id, (id) => eq(sandbox.externalProjectId, id)),
    ...given(query.created_after, (moment) => gt(sandbox.createdAt, new Date(moment))),
    ...given(query.created_before, (moment) => lt(sandbox.createdAt, new Date(moment))),
    ...metadataFilters(query).map(([key, value]) => sql`${sandbox.metadata} ->> ${key} = ${value}`),
  ]
}

const isHere = (asked: string, region: Controller['region']): boolean =>
  asked === 'auto' || asked === region.code || asked === region.name

const inWorkspace = (tenant: string, wanted: SQL | undefined): SQL =>
  inArray(
    sandbox.workspace,
    sql`(select ${workspace.id} from ${workspace} where ${and(eq(workspace.tenant, tenant), wanted)})`,
  )
