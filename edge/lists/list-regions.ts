/** A list over several regions, asked at the same time. A region that does not answer leaves a gap that the answer names. */
import { type AppError, toAppError } from '../../shared/errors.ts'
import { idInRegion, parseId } from '../../shared/ids.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import { type Forwarded, forwardRequest } from '../forward/forward-request.ts'
import type { Visit } from '../requests/visit.ts'
import { unavailable } from '../steering/plan-route.ts'
import { mergePages, type RegionPage, regionPageSchema } from './merge-lists.ts'

export type Listed = { response: Response; regions: string[]; regionMs: number }

type Part =
  | { kind: 'page'; region: Region; page: RegionPage; regionMs: number }
  | { kind: 'refused'; forwarded: Forwarded }
  | { kind: 'missing'; region: Region; error: AppError }

/** Throws region_unavailable when no region answers. What one region refuses (a bad filter) is the answer. */
export async function listRegions(visit: Visit, regions: readonly Region[]): Promise<Listed> {
  const parts = await Promise.all(regions.map((region) => listOne(visit, region)))
  const refused = parts.find((part) => part.kind === 'refused')
  if (refused !== undefined) {
    const others = parts.flatMap((part) =>
      part.kind === 'refused' && part !== refused ? [part.forwarded.response] : [],
    )
    await Promise.all(others.map((other) => other.body?.cancel()))
    const { response, region, regionMs } = refused.forwarded
    return { response, regions: [region.code], regionMs }
  }
  const pages = parts.filter((part) => part.kind === 'page')
  const missing = parts.filter((part) => part.kind === 'missing').map(({ region }) => region)
  if (pages.length === 0) throw unavailable(missing)
  const codes = missing.map(({ code }) => code)
  const merged = mergePages(
    pages.map(({ page }) => page),
    limitOf(visit),
    codes,
  )
  return {
    response: Response.json(merged, { headers: codes.length === 0 ? {} : { 'x-partial': codes.join(',') } }),
    regions: pages.map(({ region }) => region.code),
    regionMs: Math.max(...pages.map(({ regionMs }) => regionMs)),
  }
}

async function listOne(visit: Visit, region: Region): Promise<Part> {
  try {
    const forwarded = await forwardRequest(withCursorOf(visit, region), { regions: [region], by: 'wish' })
    const { response, regionMs } = forwarded
    if (response.status >= 300 && response.status < 500) return { kind: 'refused', forwarded }
    const page = regionPageSchema.parse(await response.json())
    return { kind: 'page', region, page, regionMs }
  } catch (error) {
    return { kind: 'missing', region, error: toAppError(error) }
  }
}

/** A page ends at an id of one region; the others go on below the same moment. */
function withCursorOf(visit: Visit, region: Region): Visit {
  const query = new URLSearchParams(visit.call.search)
  const place = parseId(query.get('cursor') ?? '')
  if (place === null || place.region === region.code) return visit
  query.set('cursor', idInRegion(place, region.code))
  return { ...visit, call: { ...visit.call, search: `?${query}` } }
}

/** Each region answers with as many rows as this, so that what a region held back is older than the page's last row. */
function limitOf(visit: Visit): number {
  const limit = Number(new URLSearchParams(visit.call.search).get('limit') ?? Number.NaN)
  return Number.isInteger(limit) && limit > 0 ? limit : LIMITS.listRowsMax
}
