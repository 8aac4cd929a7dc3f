/**
 * One list out of the lists of several regions. Rows come newest first from each region, and ids carry their moment, so the
 * whole is ordered by the ULIDs of the ids and a page ends at an id that every region understands. What has a name instead of an id
 * is the same thing in every region: it is there once, before the others, in the order of the region that names it first.
 */
import * as z from 'zod'
import { parseId } from '../../shared/ids.ts'

export const regionPageSchema = z.object({
  data: z.array(z.looseObject({ id: z.string() })),
  next_cursor: z.string().nullish(),
  /** Of templates, beside the rows: the same in every region. */
  default_template_id: z.string().optional(),
  /** Only where the answer has everything there is. */
  page: z.looseObject({ total: z.int().min(0) }).optional(),
})
export type RegionPage = z.infer<typeof regionPageSchema>

export type MergedPage = {
  data: RegionPage['data']
  next_cursor: string | null
  page?: { page: number; page_size: number; total: number }
  meta?: { total: number; page: number }
  default_template_id?: string
  partial?: string[]
}

/** `limit` is what each region was held to. `missing` are the codes of regions whose rows are not in here. */
export function mergePages(pages: readonly RegionPage[], limit: number, missing: readonly string[]): MergedPage {
  const all = eachOnce(pages.flatMap(({ data }) => data)).sort(newestFirst)
  const data = all.slice(0, limit)
  const hasMore = data.length < all.length || pages.some(({ next_cursor }) => (next_cursor ?? null) !== null)
  const last = data.at(-1)
  const named = pages.find(({ default_template_id }) => default_template_id !== undefined)
  return {
    ...(named?.default_template_id === undefined ? {} : { default_template_id: named.default_template_id }),
    data,
    next_cursor: hasMore && last !== undefined ? last.id : null,
    ...(hasMore || pages.some(({ page }) => page === undefined) ? {} : whole(data.length, limit)),
    ...(missing.length === 0 ? {} : { partial: [...missing] }),
  }
}

/** Everything on one page, as each region said of its own part. */
const whole = (total: number, limit: number): Pick<MergedPage, 'page' | 'meta'> => ({
  page: { page: 1, page_size: limit, total },
  meta: { total, page: 1 },
})

export function newestFirst(a: { id: string }, b: { id: string }): number {
  const [one, other] = [momentOf(a.id), momentOf(b.id)]
  if (one === undefined || other === undefined) return Number(one !== undefined) - Number(other !== undefined)
  return one < other ? 1 : -1
}

/** Undefined of what is known by its name. */
const momentOf = (id: string): string | undefined => parseId(id)?.ulid

/** An id is of one region, so only names come more than once. */
function eachOnce(rows: RegionPage['data']): RegionPage['data'] {
  const seen = new Set<string>()
  return rows.filter(({ id }) => !seen.has(id) && seen.add(id))
}
