/**
 * What a caller says about regions, in the words of the registry.
 *
 *   eu               strict: there, or not at all
 *   us-west,eu       strict, in this order
 *   eu,any           there if possible
 *   any, auto        as if nothing was said
 */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import { findRegion, type Region, type RegionRegistry } from '../../shared/regions.ts'

export type Wish = { regions: Region[]; orAny: boolean }

const ANY: ReadonlySet<string> = new Set(['any', 'auto'])

/** Null when nothing was said. Throws unknown_region with the valid ones, or invalid_header when the list is too long. */
export function parseWish(text: string | null, registry: RegionRegistry): Wish | null {
  if (text === null) return null
  const words = text.split(',').map((word) => word.trim().toLowerCase())
  const named = [...new Set(words.filter((word) => word !== ''))]
  if (text.length > LIMITS.regionHeaderCharsMax || named.length > LIMITS.regionsNamedMax) {
    throw new AppError('invalid_header', `X-Region may name at most ${LIMITS.regionsNamedMax} regions.`)
  }
  const regions = named.filter((word) => !ANY.has(word)).map((word) => knownRegion(word, registry))
  if (regions.length === 0) return null
  return { regions: [...new Set(regions)], orAny: named.some((word) => ANY.has(word)) }
}

/** Throws unknown_region with the valid ones. */
export function knownRegion(named: string, registry: RegionRegistry): Region {
  const region = findRegion(registry, named.toLowerCase())
  if (region !== undefined) return region
  throw new AppError('unknown_region', `There is no region "${named.slice(0, LIMITS.nameCharsMax)}".`, {
    details: { regions: registry.regions.map(({ code, name }) => ({ code, name })) },
  })
}
