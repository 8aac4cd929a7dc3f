/** How far a region is from a client, in milliseconds there and back, by the best that is known of where the client is. */
import type { Region } from '../../shared/regions.ts'

export type Whereabouts = {
  point: { lat: number; lon: number } | null
  /** One of AF AN AS EU NA OC SA. */
  continent: string | null
}

const BASE_MS = 5
/** Light in glass covers 200 km a millisecond; cables are about half as long again as the great circle, and it is there and back. */
const KM_PER_MS = 66
const EARTH_RADIUS_KM = 6_371
/** Unlike a point, a continent says little, so all regions that serve it are equally near. */
const HOME_CONTINENT_MS = 20
const UNKNOWN_DEFAULT_MS = 50
const UNKNOWN_OTHER_MS = 100

/** Where most people of a continent are. */
const CENTRES: Record<string, { lat: number; lon: number }> = {
  AF: { lat: 6, lon: 15 },
  AN: { lat: -75, lon: 0 },
  AS: { lat: 27, lon: 100 },
  EU: { lat: 49, lon: 10 },
  NA: { lat: 38, lon: -92 },
  OC: { lat: -33, lon: 148 },
  SA: { lat: -16, lon: -56 },
}

export function estimateRttMs(from: Whereabouts, region: Region, defaultRegion: string): number {
  if (from.point !== null) return BASE_MS + distanceKm(from.point, region) / KM_PER_MS
  const centre = from.continent === null ? undefined : CENTRES[from.continent]
  if (centre === undefined) return region.code === defaultRegion ? UNKNOWN_DEFAULT_MS : UNKNOWN_OTHER_MS
  if (from.continent !== null && region.continents.includes(from.continent)) return HOME_CONTINENT_MS
  return HOME_CONTINENT_MS + distanceKm(centre, region) / KM_PER_MS
}

/** Along the great circle. */
export function distanceKm(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const [latA, latB] = [radians(a.lat), radians(b.lat)]
  const sinLat = Math.sin((latB - latA) / 2)
  const sinLon = Math.sin(radians(b.lon - a.lon) / 2)
  const h = sinLat * sinLat + Math.cos(latA) * Math.cos(latB) * sinLon * sinLon
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)))
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180
