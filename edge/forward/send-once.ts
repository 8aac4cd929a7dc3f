/** One request to one region: signed, streamed both ways, redirects not followed. What became of it is told, never thrown. */

import { EDGE_TOKEN } from '../../shared/edge-token.ts'
import type { Region } from '../../shared/regions.ts'
import type { Attempt } from '../failover/outcome.ts'
import { HOPS_HEADER, hopsAfter } from '../requests/hops.ts'
import { forwardedHeaders } from '../requests/inbound-headers.ts'
import type { Visit } from '../requests/visit.ts'
import { startDeadline } from './deadline-signal.ts'
import { newEdgeKey } from './edge-key.ts'
import { signToken } from './sign-token.ts'

export type Sent = {
  attempt: Attempt
  /** Present when the region, or something in its place, answered. */
  response: Response | null
  /** From sending to the answer's headers. */
  regionMs: number
  /** What the region was given: the client's own key, or one of the edge's making. */
  idempotencyKey: string | null
  cause?: unknown
}

/** Throws body_too_large and upload_incomplete, because those are the sender's fault and no region's. */
export async function sendOnce(visit: Visit, region: Region, attempt: number, deadline: AbortSignal): Promise<Sent> {
  const idempotencyKey = keyFor(visit, region)
  const url = new URL(visit.call.path + visit.call.search, region.url)
  const target = url.pathname + url.search
  const token = await signToken(visit, { region, attempt, target, idempotencyKey })
  const patience = startDeadline(visit.attemptMs)
  const cut = visit.body.kind === 'stream' ? [visit.body.cut] : []
  const signal = AbortSignal.any([deadline, patience.signal, ...cut])
  const sentAtMs = Date.now()
  try {
    const response = await fetch(url, {
      method: visit.request.method,
      headers: headersFor(visit, token, idempotencyKey),
      body: bodyOf(visit),
      redirect: 'manual',
      // Nothing between here and the region may keep an answer, whatever the path looks like.
      cache: 'no-store',
      signal,
    })
    return { attempt: attemptOf(response), response, regionMs: Date.now() - sentAtMs, idempotencyKey }
  } catch (cause) {
    if (visit.body.kind === 'stream' && visit.body.cut.aborted) throw visit.body.cut.reason
    const kind = deadline.aborted || patience.isOver() ? 'timeout' : 'lost'
    return { attempt: { kind }, response: null, regionMs: Date.now() - sentAtMs, idempotencyKey, cause }
  } finally {
    patience.stop()
  }
}

function keyFor(visit: Visit, region: Region): string | null {
  if (visit.idempotencyKey !== null || visit.call.class !== 'create') return visit.idempotencyKey
  return newEdgeKey(region.code, crypto.randomUUID())
}

/** What is added is stripped of what a client sends, so no name comes twice. */
function headersFor(visit: Visit, token: string, idempotencyKey: string | null): [string, string][] {
  const headers = forwardedHeaders(visit.request.headers, visit.isUpgrade)
  headers.push(
    [EDGE_TOKEN.header, token],
    ['x-request-id', visit.requestId],
    [HOPS_HEADER, String(hopsAfter(visit.request.headers))],
  )
  if (idempotencyKey !== null && visit.idempotencyKey === null) headers.push(['idempotency-key', idempotencyKey])
  return headers
}

function bodyOf({ body }: Visit): BodyInit | null {
  if (body.kind === 'none') return null
  return body.kind === 'kept' ? body.bytes : body.stream
}

const attemptOf = (response: Response): Attempt => ({
  kind: 'answer',
  status: response.status,
  isFromOrigin: response.headers.has('x-origin'),
  saysNotExecuted: response.headers.has('x-not-executed'),
})
