/** Lists of sandboxes: filters, and pages by cursor. */
import { and, arrayContains, desc, eq, lt, ne, type SQL } from 'drizzle-orm'
import type * as z from 'zod'
import type { listQuery } from '../../../shared/contracts/sandboxes.ts'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { SANDBOX_COLUMNS, type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { type Reach, within } from './find-sandbox.ts'

export type ListQuery = z.infer<typeof listQuery>
export type Page = { rows: SandboxRow[]; nextCursor: string | null }

/** Newest first. Without a limit everything up to LIMITS.listRowsMax, because clients in the field follow no pages. */
export async function listSandboxes(db: Db, reach: Reach, query: ListQuery): Promise<Page> {
  if (query.cursor !== undefined && parseId(query.cursor, 'sbx') === null)
    throw new AppError('invalid_request', 'The cursor is not one of ours.', {
      details: { cursor: ['is not a cursor'] },
    })
  const limit = query.limit ?? LIMITS.listRowsMax
  const rows = await db
    .select(SANDBOX_COLUMNS)
    .from(sandbox)
    .where(and(...within(reach), ...filtersOf(query)))
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
