/**
 * Pages that are counted from 1, over several regions. Each region answers its rows from the newest down to the end of the page,
 * so the page is cut out of all of them. The further the page, the more is read; what follows LIMITS.listRowsMax rows needs a cursor.
 */
import type * as z from 'zod'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import { newestFirst, regionPageSchema } from './merge-lists.ts'

export type NumberedPage = { page: number; size: number }

export const numberedPageSchema = regionPageSchema.required({ page: true })

/** Null when the caller counts no pages, or wrongly: then the regions say what is wrong. Throws invalid_request on a page too far. */
export function numberedPageOf(query: URLSearchParams): NumberedPage | null {
  const asked = query.get('page_size') ?? query.get('per_page')
  if (!query.has('page') && asked === null) return null
  const page = Number(query.get('page') ?? 1)
  const size = Number(asked ?? query.get('limit') ?? LIMITS.listPageRowsDefault)
  if (!Number.isInteger(page) || !Number.isInteger(size) || page < 1 || size < 1) return null
  if (page * size <= LIMITS.listRowsMax) return { page, size }
  throw new AppError('invalid_request', `Pages over all regions end after ${LIMITS.listRowsMax} rows.`, {
    details: { page: [`must end within ${LIMITS.listRowsMax} rows; go on with limit and cursor, or name a region`] },
  })
}

export function mergeNumbered(
  pages: readonly z.infer<typeof numberedPageSchema>[],
  { page, size }: NumberedPage,
  missing: readonly string[],
) {
  const rows = pages.flatMap(({ data }) => data).sort(newestFirst)
  const data = rows.slice((page - 1) * size, page * size)
  const total = pages.reduce((sum, one) => sum + one.page.total, 0)
  return {
    data,
    next_cursor: total > page * size ? (data.at(-1)?.id ?? null) : null,
    page: { page, page_size: size, total },
    meta: { total, page },
    ...(missing.length === 0 ? {} : { partial: [...missing] }),
  }
}
