/**
 * Whether the registry of regions may become another one. Pure. What is refused here would strand somebody: an isolate that starts
 * with half a registry serves nobody, and the ids of a region that is gone lead nowhere.
 */
import { findRegion, type Region, type RegionRegistry } from '../../shared/regions.ts'

/** What is wrong, by field, as sentences. Empty when nothing is. */
export function judgeRegistry(before: RegionRegistry | null, after: RegionRegistry): Record<string, string[]> {
  const faults: [field: string, fault: string][] = []
  const version = (before?.version ?? 0) + 1
  if (before !== null && after.version !== version) faults.push(['version', `must be ${version}`])
  for (const region of before?.regions ?? []) {
    if (findCode(after, region) === undefined && region.status !== 'down')
      faults.push(['regions', `${region.code} may go only after it was down: its ids would lead nowhere at once`])
  }
  for (const { code, failover } of after.regions) {
    for (const next of failover.filter((named) => !after.regions.some((region) => region.code === named)))
      faults.push(['regions', `${code} fails over to ${next}, which is not there`])
  }
  if (findRegion(after, after.default)?.status === 'down')
    faults.push(['default', `${after.default} keeps the accounts and may not be down`])
  const byField = Map.groupBy(faults, ([field]) => field)
  return Object.fromEntries([...byField].map(([field, of]) => [field, of.map(([, fault]) => fault)]))
}

/** Those that get requests now and did not before, or at another address: they have to answer first. */
export const newlyReached = (before: RegionRegistry | null, after: RegionRegistry): Region[] =>
  after.regions.filter((region) => {
    const known = before === null ? undefined : findCode(before, region)
    const wasReached = known !== undefined && known.status !== 'down' && known.url === region.url
    return region.status !== 'down' && !wasReached
  })

const findCode = ({ regions }: RegionRegistry, { code }: Region): Region | undefined =>
  regions.find((region) => region.code === code)
