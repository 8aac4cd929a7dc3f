/**
 * Where a request goes, and where it may go on to.
 *
 *   id in the path > a key of the edge's own making > /r/REGION/ > X-Region > region in the body > the key's pin > steering
 *
 * A caller's own choice is strict. What was made under a key that the edge made is in the region that such a key names, and nowhere else. What has no id, makes no sandbox and names no region belongs to the home region, where the
 * accounts live; what is about the accounts goes there whatever is said.
 */
import { AppError } from '../../shared/errors.ts'
import { findRegion, type Region, type RegionRegistry } from '../../shared/regions.ts'
import type { Call } from '../requests/classify-request.ts'
import { knownRegion, parseWish, type Wish } from './named-regions.ts'

export type Plan = {
  /** In the order of trying; never empty. */
  regions: Region[]
  /** Why there: `id`, a caller's `wish`, `steering`, or `home`. */
  by: 'id' | 'wish' | 'steering' | 'home'
}

export type Said = {
  header: string | null
  body: string | null
  /** The region named by an idempotency key that the edge made for an earlier attempt. */
  idempotencyKey: string | null
  pin: string | null
}

/** Throws sandbox_not_found, region_mismatch, unknown_region, invalid_header, region_unavailable. `steer` ranks active regions. */
export function planRoute(call: Call, said: Said, registry: RegionRegistry, steer: () => Region[]): Plan {
  if (call.class === 'home') return { regions: [knownRegion(registry.default, registry)], by: 'home' }
  const spoken = spokenWish(call, said, registry)
  const owner = ownerOf(call, registry)
  if (owner !== null) return { regions: [agreeing(owner, spoken)], by: 'id' }
  const wish = spoken ?? parseWish(said.pin, registry)
  if (call.class === 'create' || call.class === 'create-run')
    return said.idempotencyKey === null ? planCreate(wish, steer) : planRepeat(wish, steer)
  if (call.class === 'list' || call.class === 'sum' || call.class === 'find') return planAll(wish, registry)
  const [region] = wish?.regions ?? []
  if (region !== undefined) return { regions: [region], by: 'wish' }
  return { regions: [knownRegion(registry.default, registry)], by: 'home' }
}

function spokenWish(call: Call, said: Said, registry: RegionRegistry): Wish | null {
  const { idempotencyKey, header, body } = said
  const first = idempotencyKey ?? call.prefixRegion
  if (first !== null) return parseWish(first, registry)
  return parseWish(header, registry) ?? parseWish(body, registry)
}

function ownerOf({ idRegion }: Call, registry: RegionRegistry): Region | null {
  if (idRegion.kind === 'none') return null
  const region = idRegion.kind === 'code' ? findRegion(registry, idRegion.code) : undefined
  if (region !== undefined) return region
  throw new AppError('sandbox_not_found', 'There is no such sandbox: the id is mistyped or names no region of ours.')
}

function agreeing(owner: Region, wish: Wish | null): Region {
  if (wish === null || wish.orAny || wish.regions.includes(owner)) return owner
  throw new AppError('region_mismatch', `The id lives in ${owner.name} (${owner.code}), not in the region named.`, {
    details: { region: owner.code },
  })
}

function planCreate(wish: Wish | null, steer: () => Region[]): Plan {
  if (wish === null) return nonEmpty({ regions: steer(), by: 'steering' })
  const wished = wish.regions.filter((region) => region.status === 'active')
  if (wish.orAny) return nonEmpty({ regions: [...new Set([...wished, ...steer()])], by: 'steering' })
  if (wished.length > 0) return { regions: wished, by: 'wish' }
  if (wish.regions.every(({ status }) => status === 'down')) throw unavailable(wish.regions)
  throw new AppError(
    'region_unavailable',
    `The region ${namesOf(wish.regions)} takes no new sandboxes at the moment.`,
    {
      details: { regions: wish.regions.map(({ code }) => code) },
    },
  )
}

/** What was made is where the key of the edge's making says, also when that region takes nothing new any more. */
function planRepeat(wish: Wish | null, steer: () => Region[]): Plan {
  const regions = wish?.regions.filter(({ status }) => status !== 'down') ?? []
  return regions.length > 0 ? { regions, by: 'wish' } : planCreate(wish, steer)
}

/** A region that is draining still has rows; one that is down is asked too, so that the answer says it is missing. */
const planAll = (wish: Wish | null, registry: RegionRegistry): Plan =>
  wish === null || wish.orAny ? { regions: registry.regions, by: 'home' } : { regions: wish.regions, by: 'wish' }

function nonEmpty(plan: Plan): Plan {
  if (plan.regions.length > 0) return plan
  throw new AppError('region_unavailable', 'No region takes new sandboxes at the moment.')
}

/** The refusal of a request that may go nowhere else. */
export function unavailable(regions: readonly Region[], cause?: unknown): AppError {
  return new AppError('region_unavailable', `The region ${namesOf(regions)} cannot be reached at the moment.`, {
    details: { regions: regions.map(({ code }) => code) },
    cause,
  })
}

const namesOf = (regions: readonly Region[]): string => regions.map(({ name, code }) => `${name} (${code})`).join(', ')
