/**
 * Whether a request may go to a region now. A create that would be lost without a trace is preceded by a question while the
 * region's last answer was lost: if nobody answers, nothing was executed, and another region may serve it.
 */
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import { healthOf } from '../failover/region-health.ts'
import type { CallClass } from '../requests/classify-request.ts'

export async function mayEnter(region: Region, callClass: CallClass, isLastResort: boolean): Promise<boolean> {
  const { breaker } = healthOf(region)
  const state = breaker.state(Date.now())
  if (state === 'closed') return true
  const isProbe = state === 'half-open' && breaker.takeProbe(Date.now())
  const isShut = state === 'open' || (state === 'half-open' && !isProbe)
  if (isShut && !isLastResort) return false
  const isCreate = callClass === 'create' || callClass === 'create-run'
  return isProbe || isCreate ? probeRegion(region) : true
}

/** For a region that this request does not need: asks in the background whether it is back. */
export function probeIfDue(region: Region, inBackground: (work: Promise<unknown>) => void): void {
  if (healthOf(region).breaker.takeProbe(Date.now())) inBackground(probeRegion(region))
}

async function probeRegion(region: Region): Promise<boolean> {
  const isAlive = await answersHealth(region)
  const { breaker } = healthOf(region)
  if (isAlive) breaker.succeed(Date.now())
  else breaker.fail(Date.now())
  return isAlive
}

async function answersHealth(region: Region): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(LIMITS.regionProbeMs)
    const response = await fetch(new URL('/healthz', region.url), { redirect: 'manual', signal })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}
