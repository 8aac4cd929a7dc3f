/**
 * Lists of sandboxes: what they may be narrowed by, and how they are paged. A filter that is not known is refused, because
 * to ignore it would answer with more than was asked for.
 */
import * as z from 'zod'
import { STATES } from '../lifecycle.ts'
import { LIMITS } from '../limits.ts'
import { sandboxRecord } from './sandbox-records.ts'

const text = z.string().max(LIMITS.filterCharsMax)
const count = (max: number) => z.coerce.number().int().min(1).max(max)

const filters = {
  state: z.enum(STATES).optional(),
  name: text.optional(),
  template_id: text.optional(),
  template: text.optional(),
  /** Code or name. A region has only its own. */
  region: text.optional(),
  /** Comma-joined; a sandbox must have all of them. */
  tags: text.optional(),
  workspace_id: text.optional(),
  workspace_slug: text.optional(),
  workspace_name: text.optional(),
  /** The id of one, or its slug. */
  workspace: text.optional(),
  external_workspace_id: text.optional(),
  external_user_id: text.optional(),
  external_project_id: text.optional(),
  created_after: z.iso.datetime({ offset: true }).optional(),
  created_before: z.iso.datetime({ offset: true }).optional(),
}
const paging = {
  limit: count(LIMITS.listRowsMax).optional(),
  /** The id of the last row of the page before; the next page begins below it (newest first is descending by id). */
  cursor: z.string().max(LIMITS.filterCharsMax).optional(),
  /** The other way to page, counted from 1. */
  page: count(LIMITS.listPagesMax).optional(),
  page_size: count(LIMITS.listRowsMax).optional(),
  per_page: count(LIMITS.listRowsMax).optional(),
}
const shape = { ...filters, ...paging }
const METADATA = /^metadata\[(.+)\]$/

/** `metadata[team]=red` as `['team', 'red']`, for each. */
export const metadataFilters = (query: Record<string, unknown>): [key: string, value: string][] =>
  Object.entries(query).flatMap(([name, value]): [string, string][] => {
    const key = METADATA.exec(name)?.[1]
    return key === undefined ? [] : [[key, String(value)]]
  })

export const listQuery = z
  .looseObject(shape)
  .superRefine((query, ctx) => {
    for (const name of Object.keys(query)) {
      if (Object.hasOwn(shape, name) || METADATA.test(name)) continue
      ctx.addIssue({
        code: 'custom',
        path: [name],
        message: `is not one of ${Object.keys(shape).join(', ')}, metadata[key]`,
      })
    }
  })
  .refine(({ cursor, page }) => cursor === undefined || page === undefined, {
    error: 'goes with limit, not with page',
    path: ['cursor'],
  })
export type ListQuery = z.infer<typeof listQuery>

export const listAnswer = z.object({
  data: z.array(sandboxRecord),
  next_cursor: z.string().nullable(),
  /** Left out of pages by cursor, which do not count what there is. */
  page: z.object({ page: z.int(), page_size: z.int(), total: z.int() }).optional(),
  meta: z.object({ total: z.int(), page: z.int() }).optional(),
})
