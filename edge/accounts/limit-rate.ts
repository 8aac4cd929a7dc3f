/**
 * Requests per minute, by tenant and tier, with Cloudflare's counter. It counts per location and says only yes or no, so it
 * protects the service and is no bill: what must be exact is counted in a region.
 *
 * A counter has one rate, given when the Worker is deployed. A rate that belongs to one key, or to a tier that operators made, has none:
 * the region counts it.
 */
import type { KeyRecord, Tier } from '../../shared/accounts.ts'
import type { EdgeClaims } from '../../shared/edge-token.ts'
import { AppError } from '../../shared/errors.ts'
import type { Bindings } from '../bindings.ts'

const WINDOW_SEC = 60

/** Throws rate_limit_exceeded. A tier without a counter, or a counter that fails, refuses nobody. */
export async function limitRate(bindings: Bindings, tierName: string, tier: Tier, tenant: string): Promise<void> {
  const counter = counterOf(bindings, tierName)
  if (counter === undefined) return
  const { success } = await counter.limit({ key: tenant }).catch(() => ({ success: true }))
  if (success) return
  throw new AppError(
    'rate_limit_exceeded',
    `The tier ${tierName} allows ${tier.requestsPerMinute} requests a minute from one location.`,
    { retryAfterSec: WINDOW_SEC, details: { tier: tierName, limit: tier.requestsPerMinute, window_sec: WINDOW_SEC } },
  )
}

/** What is left to the region; undefined when the counter of the tier says everything. */
export function uncountedRates(
  bindings: Bindings,
  { tier: tierName, limits }: KeyRecord,
  tier: Tier,
): EdgeClaims['uncounted'] {
  const ofKey = limits?.requestsPerMinute ?? tier.requestsPerMinute
  const rates = {
    ...(counterOf(bindings, tierName) === undefined ? { tenant: tier.requestsPerMinute } : {}),
    ...(ofKey < tier.requestsPerMinute ? { key: ofKey } : {}),
  }
  return Object.keys(rates).length === 0 ? undefined : rates
}

/** The headers of the IETF draft that go with the refusal. */
export const rateLimitHeaders = (limit: number): Record<string, string> => ({
  ratelimit: `"requests";r=0;t=${WINDOW_SEC}`,
  'ratelimit-policy': `"requests";q=${limit};w=${WINDOW_SEC}`,
})

function counterOf(bindings: Bindings, tierName: string): RateLimit | undefined {
  const counters: Record<string, RateLimit | undefined> = {
    free: bindings.RATE_FREE,
    pro: bindings.RATE_PRO,
    scale: bindings.RATE_SCALE,
  }
  return counters[tierName]
}
