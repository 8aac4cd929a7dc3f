/** Gathers what steering decides on: capacity records from KV, what this isolate has seen, and where the client is. */
import type { Region } from '../../shared/regions.ts'
import { readCapacity } from '../capacity/read-capacity.ts'
import { healthOf, isShut, wayTo } from '../failover/region-health.ts'
import { probeIfDue } from '../forward/enter-region.ts'
import type { Visit } from '../requests/visit.ts'
import { blendLoad, hasRoom } from './load.ts'
import { type Candidate, rankRegions } from './rank-regions.ts'
import { coloOf, whereabouts } from './whereabouts.ts'

/** Active regions, the best first. */
export async function steer(visit: Visit): Promise<Region[]> {
  const candidates = await Promise.all(visit.registry.regions.map((region) => candidateOf(visit, region)))
  const trusted = visit.config.trustsProxy ? visit.request.headers.get('cf-ipcontinent') : null
  return rankRegions(candidates, whereabouts(visit.geography, trusted), visit.key.tenant, visit.registry.default)
}

async function candidateOf(visit: Visit, region: Region): Promise<Candidate> {
  const { nowMs, inBackground } = visit.reading
  probeIfDue(region, inBackground)
  const colo = coloOf(visit.geography)
  const record = await readCapacity(visit.bindings, region, visit.reading)
  return {
    region,
    seenRttMs: colo === null ? null : wayTo(region, colo).valueMs(nowMs),
    load: blendLoad(record, healthOf(region).heard, nowMs),
    isUsable: !isShut(region, nowMs) && hasRoom(record, visit.peeked?.size ?? null, nowMs),
  }
}
