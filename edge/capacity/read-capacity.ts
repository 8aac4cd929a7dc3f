/** A region's capacity record from KV. It only steers, so whatever is wrong with it counts as not knowing. */
import { LIMITS } from '../../shared/limits.ts'
import { type Region, type RegionCapacity, regionCapacitySchema } from '../../shared/regions.ts'
import type { Bindings } from '../bindings.ts'
import { KeptCopies, type Reading } from '../kv/kept-copies.ts'

export const capacityKey = (region: Region): string => `c:${region.code}`

const copies = new KeptCopies<RegionCapacity | null>(() => ({
  freshMs: LIMITS.kvFreshMs,
  staleMs: LIMITS.kvStaleMs,
  outlivesFailure: true,
}))

export async function readCapacity(
  bindings: Bindings,
  region: Region,
  reading: Reading,
): Promise<RegionCapacity | null> {
  const key = capacityKey(region)
  return copies.read(key, () => load(bindings, key), reading).catch(() => null)
}

async function load(bindings: Bindings, key: string): Promise<RegionCapacity | null> {
  const parsed = regionCapacitySchema.safeParse(
    await bindings.CAPACITY.get(key, { type: 'json', cacheTtl: LIMITS.kvCacheTtlSec }),
  )
  return parsed.success ? parsed.data : null
}
