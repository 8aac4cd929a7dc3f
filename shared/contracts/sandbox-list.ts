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
  state: z.enum(STATES).optional().describe('Only those in this state. Default: all but the destroyed ones.'),
  name: text.optional().describe('Only the one that has this name.'),
  template_id: text.optional().describe('Only those of this template.'),
  template: text.optional().describe('Another spelling of `template_id`.'),
  region: text.optional().describe('Only those of this region, by code or name.'),
  tags: text.optional().describe('Joined by commas; only those that have all of them.'),
  workspace_id: text.optional().describe('Only those of this workspace, by id.'),
  workspace_slug: text.optional().describe('The same, by slug.'),
  workspace_name: text.optional().describe('The same, by name.'),
  workspace: text.optional().describe('The same, by id or slug.'),
  external_workspace_id: text.optional().describe('Only those that were made with this `external_workspace_id`.'),
  external_user_id: text.optional().describe('Only those of this user of yours.'),
  external_project_id: text.optional().describe('Only those that were made with this `external_project_id`.'),
  created_after: z.iso.datetime({ offset: true }).optional().describe('Only those that were made after this moment.'),
  created_before: z.iso.datetime({ offset: true }).optional().describe('Only those that were made before this moment.'),
}
const paging = {
  limit: count(LIMITS.listRowsMax).optional().describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: z
    .string()
    .max(LIMITS.filterCharsMax)
    .optional()
    .describe(
      'The id of the last row of the page before, as `next_cursor` said it; goes with `limit`. Newest first is descending by id.',
    ),
  page: count(LIMITS.listPagesMax).optional().describe('The other way to page: the number of the page, from 1.'),
  page_size: count(LIMITS.listRowsMax)
    .optional()
    .describe(`Rows of a page, for page. Default: ${LIMITS.listPageRowsDefault}.`),
  per_page: count(LIMITS.listRowsMax).optional().describe('Another spelling of `page_size`, which goes first.'),
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
  next_cursor: z.string().nullable().describe('What `cursor` is on the next page; null on the last one.'),
  page: z
    .object({ page: z.int(), page_size: z.int(), total: z.int() })
    .optional()
    .describe(
      'Which page this is and how many rows there are. Left out of pages by cursor, which do not count what there is.',
    ),
  meta: z.object({ total: z.int(), page: z.int() }).optional().describe('The same, as other clients look for it.'),
})
