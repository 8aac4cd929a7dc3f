/** From a request to its answer: let in, routed, forwarded, and noted on the way out. */
import type { Region } from '../shared/regions.ts'
import { answerHeaders, corsHeaders } from './answers/answer-headers.ts'
import { regionOfEdgeKey } from './forward/edge-key.ts'
import { type Forwarded, forwardRequest } from './forward/forward-request.ts'
import { findByName } from './lists/find-by-name.ts'
import { listRegions } from './lists/list-regions.ts'
import { sumRegions } from './lists/sum-regions.ts'
import type { CallClass } from './requests/classify-request.ts'
import { openVisit } from './requests/open-visit.ts'
import type { Arrival, Visit } from './requests/visit.ts'
import { type Plan, planRoute } from './steering/plan-route.ts'
import { steer } from './steering/steer.ts'

type Served = { response: Response; regions: string[]; regionMs: number; failedOver: Forwarded['failedOver'] }

/** Throws AppError. */
export async function serveRequest(arrival: Arrival): Promise<Response> {
  const visit = await openVisit(arrival)
  const plan = await plannedRoute(visit)
  const served = await serve(visit, plan)
  // A switched protocol belongs to the two ends; rebuilding its answer would cut the connection.
  if (served.response.status === 101) return served.response
  return noted(visit, served)
}

/** What several regions answer together. */
const JOINED: Partial<Record<CallClass, typeof listRegions>> = { list: listRegions, sum: sumRegions }

async function serve(visit: Visit, plan: Plan): Promise<Served> {
  const join = JOINED[visit.call.class]
  if (join !== undefined && plan.regions.length > 1) {
    return { ...(await join(visit, plan.regions)), failedOver: null }
  }
  const forwarded =
    visit.call.class === 'find' ? await findByName(visit, plan.regions) : await forwardRequest(visit, plan)
  return { ...forwarded, regions: [forwarded.region.code] }
}

/** Steering reads KV, so it is asked only for what it can decide. */
async function plannedRoute(visit: Visit): Promise<Plan> {
  const { call, request, registry, key, peeked, idempotencyKey } = visit
  const said = {
    header: request.headers.get('x-region') ?? request.headers.get('x-podflare-region'),
    body: peeked?.region ?? null,
    idempotencyKey: regionOfEdgeKey(idempotencyKey),
    pin: key.pin ?? null,
  }
  const isCreate = call.class === 'create' || call.class === 'create-run'
  const ranked: Region[] = isCreate ? await steer(visit) : []
  return planRoute(call, said, registry, () => ranked)
}

function noted(visit: Visit, { response, regions, regionMs, failedOver }: Served): Response {
  const notes = {
    requestId: visit.requestId,
    regions,
    failover: failedOver === null ? null : `from=${failedOver.from.code};reason=${failedOver.reason}`,
    edgeMs: Date.now() - visit.startedAtMs - regionMs,
    regionMs,
  }
  const headers = answerHeaders(response.headers, notes, corsHeaders(visit.request))
  const body = visit.request.method === 'HEAD' ? null : response.body
  return new Response(body, { status: response.status, statusText: response.statusText, headers })
}
