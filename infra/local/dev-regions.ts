/** The two regions of the local stack, as the edge's registry knows them. */
import { findRegion, type Region, type RegionRegistry } from '../../shared/regions.ts'

/** `ports` by region code. Both regions run on this machine; their places only steer. */
export function devRegistry(ports: Record<string, number>): RegionRegistry {
  const url = (code: string): string => `http://127.0.0.1:${ports[code]}`
  return {
    version: 1,
    default: 'usw1',
    regions: [
      {
        code: 'usw1',
        name: 'us-west',
        status: 'active',
        url: url('usw1'),
        directUrl: url('usw1'),
        lat: 37.35,
        lon: -121.95,
        continents: ['NA', 'SA', 'OC', 'AS'],
        weight: 1,
        failover: ['eu1'],
      },
      {
        code: 'eu1',
        name: 'eu',
        status: 'active',
        url: url('eu1'),
        directUrl: url('eu1'),
        lat: 50.11,
        lon: 8.68,
        continents: ['EU', 'AF', 'AN'],
        weight: 1,
        failover: ['usw1'],
      },
    ],
  }
}

/** The region that keeps the accounts: where the edge sends what belongs to no other. */
export function homeOf(registry: RegionRegistry): Region {
  const home = findRegion(registry, registry.default)
  if (home === undefined) throw new Error(`The registry has no region ${registry.default}.`)
  return home
}
