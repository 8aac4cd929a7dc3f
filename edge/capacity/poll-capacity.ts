/** Once a minute: asks every region what is free and writes it down for steering. A region that does not answer takes nothing. */
import { LIMITS } from '../../shared/limits.ts'
import { type Region, type RegionCapacity, type RegionRegistry, regionCapacitySchema } from '../../shared/regions.ts'
import { capacityKey } from './read-capacity.ts'

/** One write a region, whatever the others do. Resolves to the codes of those that did not answer. */
export async function pollCapacity(
  registry: RegionRegistry,
  internalToken: string,
  capacity: KVNamespace,
): Promise<string[]> {
  const silent: string[] = []
  await Promise.allSettled(
    registry.regions.map(async (region) => {
      const answer = await askRegion(region, internalToken)
      if (answer === null) silent.push(region.code)
      await capacity.put(capacityKey(region), JSON.stringify(answer ?? nothingFree(region)))
    }),
  )
  return silent
}

/** Null when it does not answer as itself. The time is the edge's own, because its age is judged by the edge's clock. */
export async function askRegion(region: Region, internalToken: string): Promise<RegionCapacity | null> {
  try {
    const response = await fetch(new URL('/v1/capacity', region.url), {
      headers: { authorization: `Bearer ${internalToken}` },
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMITS.capacityPollMs),
    })
    const record = regionCapacitySchema.parse(await response.json())
    return record.region === region.code ? { ...record, ts: Date.now() } : null
  } catch {
    return null
  }
}

const nothingFree = (region: Region): RegionCapacity => ({
  region: region.code,
  ts: Date.now(),
  seq: 0,
  accepting: false,
  draining: false,
  free: {},
  pool: {},
  running: 0,
  paused: 0,
  load: 1,
})
