/** A list over several regions: by cursor, or by the number of a page where the caller counts pages. */
import { idInRegion, parseId } from '../../shared/ids.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import type { Visit } from '../requests/visit.ts'
import { askRegions, type Joined, withQuery } from './ask-regions.ts'
import { mergePages, regionPageSchema } from './merge-lists.ts'
import { mergeNumbered, numberedPageOf, numberedPageSchema } from './numbered-pages.ts'

/** Throws region_unavailable when no region answers. */
export function listRegions(visit: Visit, regions: readonly Region[]): Promise<Joined> {
  const query = new URLSearchParams(visit.call.search)
  const asked = numberedPageOf(query)
  if (asked !== null) {
    // Which rows of a region are on the page depends on the others, so each is asked for all of its rows up to the page's end.
    for (const name of ['per_page', 'limit']) query.delete(name)
    query.set('page', '1')
    query.set('page_size', String(asked.page * asked.size))
    return askRegions(
      {
        visitOf: () => withQuery(visit, query),
        parse: (body) => numberedPageSchema.parse(body),
        join: (pages, missing) => mergeNumbered(pages, asked, missing),
      },
      regions,
    )
  }
  return askRegions(
    {
      visitOf: (region) => withCursorOf(visit, region),
      parse: (body) => regionPageSchema.parse(body),
      join: (pages, missing) => mergePages(pages, limitOf(query), missing),
    },
    regions,
  )
}

/** A page ends at an id of one region; the others go on below the same moment. */
function withCursorOf(visit: Visit, region: Region): Visit {
  const query = new URLSearchParams(visit.call.search)
  const place = parseId(query.get('cursor') ?? '')
  if (place === null || place.region === region.code) return visit
  query.set('cursor', idInRegion(place, region.code))
  return withQuery(visit, query)
}

/** Each region answers with as many rows as this, so that what a region held back is older than the page's last row. */
function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? Number.NaN)
  return Number.isInteger(limit) && limit > 0 ? limit : LIMITS.listRowsMax
}
