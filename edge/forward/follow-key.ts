/**
 * A request whose key has its sandbox elsewhere is sent on to that region, which replays its answer. A wish of the caller's for another
 * region does not count then: one key is one sandbox.
 */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import { findRegion, type Region } from '../../shared/regions.ts'
import { isRefusal, outcomeOf } from '../failover/outcome.ts'
import type { Elsewhere } from '../idempotency/bindings.ts'
import type { Visit } from '../requests/visit.ts'
import { unavailable } from '../steering/plan-route.ts'
import { mayEnter } from './enter-region.ts'
import { learnFrom } from './learn-from.ts'
import { type Sent, sendOnce } from './send-once.ts'
import { type Astray, confirmAnswer, drop, type Posted } from './send-with-key.ts'
import { unknownOutcome } from './unknown-outcome.ts'

export type Followed = { sent: Sent; region: Region }

/** Throws idempotency_elsewhere, idempotency_in_progress, region_unavailable, outcome_unknown. */
export async function followKey(visit: Visit, { key, to: first }: Astray, deadline: AbortSignal): Promise<Followed> {
  let to = first
  for (let moves = 0; moves < LIMITS.keyMovesMax; moves += 1) {
    const region = ownerOf(visit, to)
    const sent = await sendTo(visit, region, deadline)
    const posted: Posted =
      to.isSettled || outcomeOf(sent.attempt) !== 'final'
        ? { kind: 'sent', sent }
        : await confirmAnswer(key, region, sent)
    if (posted.kind === 'sent') return { sent, region }
    if (posted.kind === 'unheard') throw unknownOutcome(visit, region, sent)
    to = posted.to
  }
  throw new AppError('idempotency_in_progress', 'Another request with this Idempotency-Key is still under way.')
}

/** Any answer of the region's; throws when there is none. */
async function sendTo(visit: Visit, region: Region, deadline: AbortSignal): Promise<Sent> {
  if (!(await mayEnter(region, visit.call.class, false))) throw unavailable([region])
  const sent = await sendOnce(visit, region, LIMITS.attemptsMax, deadline)
  learnFrom(visit, region, sent)
  const outcome = outcomeOf(sent.attempt)
  if (outcome === 'final' || isRefusal(sent.attempt)) return sent
  await drop(sent)
  throw outcome === 'ambiguous' ? unknownOutcome(visit, region, sent) : unavailable([region], sent.cause)
}

/** A region refuses a body that names another one. */
function ownerOf({ registry, peeked }: Visit, { region: code }: Elsewhere): Region {
  const region = findRegion(registry, code)
  const named = peeked?.region ?? 'auto'
  if (region !== undefined && ['auto', region.code, region.name].includes(named)) return region
  throw new AppError('idempotency_elsewhere', `The sandbox of this Idempotency-Key was made in the region ${code}.`, {
    details: { region: code },
  })
}
