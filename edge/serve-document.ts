/**
 * The API's document and the page to read it: the same in every region and open to everybody, so any region that answers will do.
 * Nothing of the request is passed on but its path, so that what a caller sends by mistake (a key, a cookie) goes no further.
 */
import { AppError } from '../shared/errors.ts'
import { LIMITS } from '../shared/limits.ts'
import type { Region } from '../shared/regions.ts'
import { answerHeaders, corsHeaders } from './answers/answer-headers.ts'
import { startDeadline } from './forward/deadline-signal.ts'
import { readRegistry } from './regions/read-registry.ts'
import type { Arrival } from './requests/visit.ts'

export const DOCUMENT_PATHS = ['/docs', '/docs/*', '/v1/openapi.json', '/api/v1/openapi.json']

const SERVER_ERRORS_FROM = 500

/** Throws region_unavailable when no region answers. */
export async function serveDocument({
  request,
  bindings,
  requestId,
  startedAtMs,
  reading,
}: Arrival): Promise<Response> {
  const { regions, default: home } = await readRegistry(bindings, reading)
  const homeFirst = [...regions].sort((a, b) => Number(b.code === home) - Number(a.code === home))
  const askedAtMs = Date.now()
  const { response, region } = await firstAnswer(new URL(request.url).pathname, homeFirst.slice(0, LIMITS.attemptsMax))
  const regionMs = Date.now() - askedAtMs
  const notes = { requestId, regions: [region.code], failover: null, edgeMs: askedAtMs - startedAtMs, regionMs }
  const headers = answerHeaders(response.headers, notes, corsHeaders(request))
  return new Response(request.method === 'HEAD' ? null : response.body, { status: response.status, headers })
}

async function firstAnswer(path: string, regions: Region[]): Promise<{ response: Response; region: Region }> {
  const deadline = startDeadline(LIMITS.listDeadlineMs)
  try {
    for (const region of regions) {
      const asked = fetch(new URL(path, region.url), { redirect: 'manual', signal: deadline.signal })
      const response = await asked.catch(() => null)
      if (response !== null && response.status < SERVER_ERRORS_FROM) return { response, region }
      await response?.body?.cancel()
    }
  } finally {
    deadline.stop()
  }
  throw new AppError('region_unavailable', 'No region answers at the moment.')
}
