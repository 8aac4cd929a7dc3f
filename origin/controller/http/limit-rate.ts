/**
 * Requests a minute at this region's own address: of a tenant by its tier, and of a key that has a tighter limit of its own. What comes
 * through the edge was counted there, but for what the edge says it cannot count. Each controller counts for itself, so this protects the
 * service and is no bill.
 *
 * A bucket holds a minute's worth and fills evenly, so a burst is let through and a flood is not.
 */
import type { EdgeClaims } from '../../../shared/edge-token.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Arrival } from './arrival.ts'
import type { Proven } from './authenticate.ts'

type Bucket = { tokens: number; atMs: number }
type Quota = { name: string; perMinute: number }
type Left = { perMinute: number; tokens: number }

const WINDOW_SEC = LIMITS.rateWindowMs / 1_000

/** Takes one from each bucket, or from none. `nowMs` never goes back. */
export function createBuckets(nowMs: () => number, bucketsMax: number = LIMITS.rateBucketsMax) {
  const buckets = new Map<string, Bucket>()

  const fill = ({ name, perMinute }: Quota): Bucket => {
    const now = nowMs()
    const bucket = buckets.get(name) ?? { tokens: perMinute, atMs: now }
    const filled = bucket.tokens + ((now - bucket.atMs) / LIMITS.rateWindowMs) * perMinute
    const current = { tokens: Math.min(perMinute, filled), atMs: now }
    // Those who asked last stand last; the first is forgotten when there are too many, which is only kind to it.
    buckets.delete(name)
    buckets.set(name, current)
    if (buckets.size > bucketsMax) buckets.delete(buckets.keys().next().value ?? name)
    return current
  }

  return {
    /** The emptiest of them after this request; `admitted` says whether it was let through. */
    take(quotas: readonly Quota[]): Left & { admitted: boolean } {
      const filled = quotas.map((quota) => ({ bucket: fill(quota), perMinute: quota.perMinute }))
      const admitted = filled.every(({ bucket }) => bucket.tokens >= 1)
      if (admitted) for (const { bucket } of filled) bucket.tokens -= 1
      const [least] = filled
        .map(({ bucket, perMinute }) => ({ perMinute, tokens: bucket.tokens }))
        .toSorted((one, other) => one.tokens - other.tokens)
      if (least === undefined) throw new Error('Somebody without any limit asked.')
      return { ...least, admitted }
    },
  }
}

export type Authenticate<Asked extends unknown[]> = (arrival: Arrival, ...asked: Asked) => Promise<Proven>

/** The same proof, refused with rate_limit_exceeded when its owner asks too often. */
export function limitRate<Asked extends unknown[]>(
  authenticate: Authenticate<Asked>,
  nowMs: () => number = () => performance.now(),
): Authenticate<Asked> {
  const buckets = createBuckets(nowMs)
  return async (arrival, ...asked) => {
    const proven = await authenticate(arrival, ...asked)
    const quotas = quotasOf(proven)
    if (quotas.length === 0) return proven
    const left = buckets.take(quotas)
    arrival.rateHeaders = headersOf(left)
    if (left.admitted) return proven
    throw refusal(proven.principal, left)
  }
}

function quotasOf({ principal, claims }: Proven): Quota[] {
  const rates = claims === undefined ? ratesOf(principal) : (claims.uncounted ?? {})
  return [
    ...(rates.tenant === undefined ? [] : [{ name: `tenant ${principal.tenant}`, perMinute: rates.tenant }]),
    ...(rates.key === undefined ? [] : [{ name: `key ${principal.key}`, perMinute: rates.key }]),
  ]
}

const ratesOf = ({ limits, tenantRequestsPerMinute }: Principal): EdgeClaims['uncounted'] & object => ({
  tenant: tenantRequestsPerMinute,
  ...(limits.requestsPerMinute < tenantRequestsPerMinute ? { key: limits.requestsPerMinute } : {}),
})

/** Until one more request would be let through; at most a window, because a limit is at least one a window. */
const waitSec = ({ tokens, perMinute }: Left): number =>
  Math.max(1, Math.ceil(((1 - Math.min(1, tokens)) / perMinute) * WINDOW_SEC))

/** The words of the IETF draft. */
function headersOf(left: Left): Record<string, string> {
  const remaining = Math.max(0, Math.floor(left.tokens))
  return {
    ratelimit: `"requests";r=${remaining};t=${waitSec(left)}`,
    'ratelimit-policy': `"requests";q=${left.perMinute};w=${WINDOW_SEC}`,
  }
}

const refusal = ({ tier }: Principal, left: Left): AppError =>
  new AppError(
    'rate_limit_exceeded',
    `This API key, of the tier ${tier}, may send ${left.perMinute} requests a minute.`,
    {
      retryAfterSec: waitSec(left),
      details: { tier, limit: left.perMinute, window_sec: WINDOW_SEC },
    },
  )
