/** Where a request comes from, as Cloudflare says it. A client's own word counts only where a proxy of ours vouches for it. */
import type { Whereabouts } from './estimate-rtt.ts'

/** `request.cf`; in development it may hold anything, or be missing. */
export type Geography = object | undefined

export function whereabouts(geography: Geography, trustedContinent: string | null): Whereabouts {
  const continent = continentOf(field(geography, 'continent')) ?? continentOf(trustedContinent)
  return { point: pointOf(geography), continent }
}

/** What a region is told, for its statistics. */
export function geoClaim(geography: Geography): { continent?: string; country?: string } | undefined {
  const continent = continentOf(field(geography, 'continent'))
  const named = field(geography, 'country')
  const country = typeof named === 'string' ? named.slice(0, 2) : null
  if (continent === null && country === null) return undefined
  return { ...(continent === null ? {} : { continent }), ...(country === null ? {} : { country }) }
}

/** The location of Cloudflare's that the request came to; null where there is none, as in development. */
export function coloOf(geography: Geography): string | null {
  const colo = field(geography, 'colo')
  return typeof colo === 'string' && /^[A-Z]{3}$/.test(colo) ? colo : null
}

const field = (geography: Geography, name: string): unknown =>
  geography === undefined ? undefined : Reflect.get(geography, name)

function pointOf(geography: Geography): Whereabouts['point'] {
  const [lat, lon] = [degrees(field(geography, 'latitude'), 90), degrees(field(geography, 'longitude'), 180)]
  return lat === null || lon === null ? null : { lat, lon }
}

/** Cloudflare sends degrees as text. */
function degrees(value: unknown, max: number): number | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null
  const number = value === '' ? Number.NaN : Number(value)
  return Math.abs(number) <= max ? number : null
}

const continentOf = (value: unknown): string | null =>
  typeof value === 'string' && /^[A-Z]{2}$/.test(value) ? value : null
