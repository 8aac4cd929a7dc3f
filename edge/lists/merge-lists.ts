/**
 * One list out of the lists of several regions. Rows come newest first from each region, and ids carry their moment, so the
 * whole is ordered by the ULIDs of the ids and a page ends at an id that every region understands.
 */
import * as z from 'zod'
import { parseId } from '../../shared/ids.ts'

export const regionPageSchema = z.object({
  data: z.array(z.looseObject({ id: z.string() })),
  next_cursor: z.string().nullish(),
  /** Only where the answer has everything there is. */
  page: z.looseObject({ total: z.int().min(0) }).optional(),
})
export type RegionPage = z.infer<typeof regionPageSchema>

export type MergedPage = {
  data: RegionPage['data']
  next_cursor: string | null
  page?: { page: number; page_size: number; total: number }
  meta?: { total: number; page: number }
  partial?: string[]
}

/** `limit` is what each region was held to. `missing` are the codes of regions whose rows are not in here. */
export function mergePages(pages: readonly RegionPage[], limit: number, missing: readonly string[]): MergedPage {
  const all = pages.flatMap(({ data }) => data).sort(newestFirst)
  const data = all.slice(0, limit)
  const hasMore = data.length < all.length || pages.some(({ next_cursor }) => (next_cursor ?? null) !== null)
  const last = data.at(-1)
  return {
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

export const newestFirst = (a: { id: string }, b: { id: string }): number => (momentOf(a.id) < momentOf(b.id) ? 1 : -1)

const momentOf = (id: string): string => parseId(id)?.ulid ?? id
