/** The same question to several regions at the same time. A region that does not answer leaves a gap that the answer names. */
import { type AppError, toAppError } from '../../shared/errors.ts'
import type { Region } from '../../shared/regions.ts'
import { type Forwarded, forwardRequest } from '../forward/forward-request.ts'
import type { Visit } from '../requests/visit.ts'
import { unavailable } from '../steering/plan-route.ts'

/** One answer made from several. */
export type Joined = { response: Response; regions: string[]; regionMs: number }

type Part<Said> =
  | { kind: 'said'; region: Region; said: Said; regionMs: number }
  | { kind: 'refused'; forwarded: Forwarded }
  | { kind: 'missing'; region: Region; error: AppError }

export type Question<Said> = {
  /** What is asked of this region. */
  visitOf: (region: Region) => Visit
  /** Throws when the region's body is not an answer to it. */
  parse: (body: unknown) => Said
  /** `missing` are the codes of the regions whose answer is not in here. */
  join: (said: Said[], missing: string[]) => unknown
}

/** Throws region_unavailable when no region answers. What one region refuses (a bad filter) is the answer. */
export async function askRegions<Said>(question: Question<Said>, regions: readonly Region[]): Promise<Joined> {
  const parts = await Promise.all(regions.map((region) => askOne(question, region)))
  const refused = parts.filter((part) => part.kind === 'refused').map(({ forwarded }) => forwarded)
  const [refusal, ...others] = refused
  if (refusal !== undefined) {
    await Promise.all(others.map(({ response }) => response.body?.cancel()))
    return { response: refusal.response, regions: [refusal.region.code], regionMs: refusal.regionMs }
  }
  const said = parts.filter((part) => part.kind === 'said')
  const missing = parts.filter((part) => part.kind === 'missing').map(({ region }) => region)
  if (said.length === 0) throw unavailable(missing)
  const codes = missing.map(({ code }) => code)
  const joined = question.join(
    said.map((part) => part.said),
    codes,
  )
  return {
    response: Response.json(joined, { headers: codes.length === 0 ? {} : { 'x-partial': codes.join(',') } }),
    regions: said.map(({ region }) => region.code),
    regionMs: Math.max(...said.map(({ regionMs }) => regionMs)),
  }
}

async function askOne<Said>({ visitOf, parse }: Question<Said>, region: Region): Promise<Part<Said>> {
  try {
    const forwarded = await forwardRequest(visitOf(region), { regions: [region], by: 'wish' })
    const { response, regionMs } = forwarded
    if (response.status >= 300 && response.status < 500) return { kind: 'refused', forwarded }
    return { kind: 'said', region, said: parse(await response.json()), regionMs }
  } catch (error) {
    return { kind: 'missing', region, error: toAppError(error) }
  }
}

/** The visit with another query. */
export const withQuery = (visit: Visit, query: URLSearchParams): Visit => ({
  ...visit,
  call: { ...visit.call, search: query.size === 0 ? '' : `?${query}` },
})
