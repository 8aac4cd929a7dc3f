/** A small world for the tests of steering. */
import type { Region, RegionRegistry } from '../../../shared/regions.ts'

export const aRegion = (code: string, changes: Partial<Region> = {}): Region => ({
  code,
  name: `name-${code}`,
  status: 'active',
  url: `https://${code}.example`,
  directUrl: `https://${code}.example`,
  lat: 0,
  lon: 0,
  continents: [],
  weight: 1,
  failover: [],
  ...changes,
})

export const WEST = aRegion('usw1', {
  name: 'us-west',
  lat: 37.4,
  lon: -122.1,
  continents: ['NA', 'SA'],
  failover: ['use1'],
})
export const EAST = aRegion('use1', { name: 'us-east', lat: 39, lon: -77.5, failover: ['usw1'] })
export const EUROPE = aRegion('eu1', { name: 'eu', lat: 50.1, lon: 8.7, continents: ['EU', 'AF'], failover: ['use1'] })
export const REGISTRY: RegionRegistry = { version: 1, default: 'usw1', regions: [WEST, EAST, EUROPE] }
