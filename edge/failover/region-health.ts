/** What this isolate has seen of each region. Another isolate may have seen otherwise; nothing exact depends on it. */
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import type { HeardLoad } from '../steering/load.ts'
import { PeakEwma } from '../steering/peak-ewma.ts'
import { Breaker } from './breaker.ts'
import { RetryBudget } from './retry-budget.ts'

export type RegionHealth = {
  breaker: Breaker
  budget: RetryBudget
  heard: HeardLoad | null
  /** From one of Cloudflare's locations. An isolate stays in its own; elsewhere requests may be said to come from anywhere. */
  way: { colo: string; seen: PeakEwma } | null
}

const seen = new Map<string, RegionHealth>()

/** By address as well as by code: a region that moves starts with a clean slate. */
export function healthOf(region: Region): RegionHealth {
  const key = `${region.code} ${region.url}`
  const known = seen.get(key)
  if (known !== undefined) return known
  if (seen.size >= 2 * LIMITS.regionsMax) seen.clear()
  const health = { breaker: new Breaker(), budget: new RetryBudget(), heard: null, way: null }
  seen.set(key, health)
  return health
}

/** The way from this location to the region, to be told of and asked about. */
export function wayTo(region: Region, colo: string): PeakEwma {
  const health = healthOf(region)
  if (health.way?.colo !== colo) health.way = { colo, seen: new PeakEwma() }
  return health.way.seen
}

/** Whether the region gets no requests for now. */
export function isShut(region: Region, nowMs: number): boolean {
  const state = healthOf(region).breaker.state(nowMs)
  return state === 'open' || state === 'half-open'
}
