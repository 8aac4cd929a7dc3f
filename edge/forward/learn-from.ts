/** What an attempt says about its region, for the breaker, the retry budget and steering. */
import type { Region } from '../../shared/regions.ts'
import { isFailure } from '../failover/outcome.ts'
import { healthOf, wayTo } from '../failover/region-health.ts'
import type { Visit } from '../requests/visit.ts'
import { parseLoad } from '../steering/load.ts'
import { wayMs } from '../steering/peak-ewma.ts'
import { coloOf } from '../steering/whereabouts.ts'
import type { Sent } from './send-once.ts'

type Asked = Pick<Visit, 'call' | 'body' | 'askedMs' | 'geography'>

/**
 * A stream may have failed on the sender's side, a sandbox may take as long as it likes, and a caller who asked for less time than usual
 * proves nothing by running out of it: none of them may shut a region for everybody else.
 */
export function learnFrom(visit: Asked, region: Region, { attempt, response, regionMs }: Sent): void {
  const health = healthOf(region)
  const nowMs = Date.now()
  if (attempt.kind === 'answer' && attempt.isFromOrigin) {
    health.breaker.succeed(nowMs)
    health.budget.earn()
    const load = parseLoad(response?.headers.get('x-region-load') ?? null)
    if (load !== null) health.heard = { load, atMs: nowMs }
    noteWay(visit, region, wayMs(regionMs, response?.headers.get('server-timing') ?? null))
  }
  const isPatienceOver = attempt.kind === 'timeout' && (visit.askedMs !== null || visit.call.scope === 'sandboxes:exec')
  if (isFailure(attempt) && visit.body.kind !== 'stream' && !isPatienceOver) health.breaker.fail(nowMs)
}

/** Not of an upload: most of its time is its sender's. */
function noteWay({ geography, body }: Asked, region: Region, ms: number | null): void {
  const colo = coloOf(geography)
  if (ms !== null && colo !== null && body.kind !== 'stream') wayTo(region, colo).observe(ms, Date.now())
}
