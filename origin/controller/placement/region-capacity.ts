/** What the edge is told about this region's room, summed over the hosts that take sandboxes of all tenants. Pure. */
import { SIZE_NAMES, SIZES } from '../../../shared/machines.ts'
import { type RegionCapacity, regionCapacitySchema } from '../../../shared/regions.ts'
import { isForAll, isOpen, type Offer, roomFor } from './ledger.ts'

export type RegionFacts = { region: string; ts: number; seq: number; draining: boolean; load: number }

export function regionCapacity(all: readonly Offer[], facts: RegionFacts): RegionCapacity {
  const offers = all.filter(isForAll)
  const open = facts.draining ? [] : offers.filter(isOpen)
  const pool: Record<string, number> = {}
  for (const { capacity } of open)
    for (const [name, count] of Object.entries(capacity.pool)) pool[name] = (pool[name] ?? 0) + count
  const free = SIZE_NAMES.map((size) => [
    size,
    open.reduce((sum, offer) => sum + Math.min(roomFor(offer, SIZES[size]), offer.capacity.free[size] ?? 0), 0),
  ])
  return regionCapacitySchema.parse({
    region: facts.region,
    ts: facts.ts,
    seq: facts.seq,
    accepting: open.length > 0,
    draining: facts.draining,
    free: Object.fromEntries(free),
    pool,
    running: offers.reduce((sum, { capacity }) => sum + capacity.running, 0),
    paused: offers.reduce((sum, { capacity }) => sum + capacity.paused, 0),
    load: facts.load,
  })
}
