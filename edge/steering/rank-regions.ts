/**
 * Which region serves a new sandbox best.
 *
 *   score = RTT x (1 + load) / weight, the smallest first; the RTT that was seen, else the estimated one
 *
 * Regions within 15% of the best are as good as each other: of those, the two that the tenant's hash prefers are compared by
 * load. So load is shared out, and a tenant keeps coming to where its templates are warm.
 */
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import { estimateRttMs, type Whereabouts } from './estimate-rtt.ts'

export type Candidate = {
  region: Region
  /** As this isolate has seen it; null or left out when it has not. */
  seenRttMs?: number | null
  load: number
  /** False when the breaker is open or there is no room; such a region is used only when no other is left. */
  isUsable: boolean
}

const AS_GOOD = 1.15
const SAME_LOAD = 0.1

/** Active regions, the best first and then the order in which to go on. Empty when none is active. */
export function rankRegions(
  candidates: readonly Candidate[],
  from: Whereabouts,
  tenant: string,
  defaultRegion: string,
): Region[] {
  const active = candidates.filter(({ region }) => region.status === 'active')
  const usable = active.filter(({ isUsable }) => isUsable)
  const scored = (usable.length > 0 ? usable : active)
    .map((candidate) => ({ ...candidate, score: scoreOf(candidate, from, defaultRegion) }))
    .sort((a, b) => a.score - b.score)
  const [nearest] = scored
  if (nearest === undefined) return []
  const best = usable.length > 0 ? pickOfTwo(scored, nearest.score * AS_GOOD, tenant) : nearest.region
  const rest = scored.map(({ region }) => region).filter((region) => region !== best)
  return [best, ...byPreference(rest, best.failover)]
}

export function scoreOf(candidate: Candidate, from: Whereabouts, defaultRegion: string): number {
  const { region, load, seenRttMs } = candidate
  const rttMs = seenRttMs ?? estimateRttMs(from, region, defaultRegion)
  return (Math.max(rttMs, LIMITS.rttMsMin) * (1 + load)) / region.weight
}

function pickOfTwo(scored: readonly (Candidate & { score: number })[], scoreMax: number, tenant: string): Region {
  const asGood = scored.filter(({ score }) => score <= scoreMax)
  const [first, second] = asGood.sort((a, b) => tenantHash(tenant, b.region) - tenantHash(tenant, a.region))
  if (first === undefined) throw new RangeError('There is nothing to pick from.')
  if (second === undefined || first.load - second.load <= SAME_LOAD) return first.region
  return second.region
}

/** The region's own choice of successors first, the rest by score. */
function byPreference(regions: readonly Region[], preferred: readonly string[]): Region[] {
  const place = (region: Region): number => {
    const index = preferred.indexOf(region.code)
    return index === -1 ? preferred.length : index
  }
  return [...regions].sort((a, b) => place(a) - place(b))
}

/** FNV-1a: the same tenant prefers the same regions in every isolate. */
function tenantHash(tenant: string, region: Region): number {
  let hash = 0x811c9dc5
  for (const char of `${tenant}:${region.code}`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  return hash >>> 0
}
