/** Sends a request where its plan says, on to the next region where the table allows it, and says honestly what is not known. */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import { nextStep } from '../failover/next-step.ts'
import { type Attempt, isFailure, outcomeOf } from '../failover/outcome.ts'
import { healthOf } from '../failover/region-health.ts'
import type { Visit } from '../requests/visit.ts'
import { parseLoad } from '../steering/load.ts'
import { type Plan, unavailable } from '../steering/plan-route.ts'
import { type Deadline, startDeadline } from './deadline-signal.ts'
import { mayEnter } from './enter-region.ts'
import { type Sent, sendOnce } from './send-once.ts'

export type Forwarded = {
  response: Response
  region: Region
  regionMs: number
  failedOver: { from: Region; reason: string } | null
}

const KEPT_BACK: Sent = { attempt: { kind: 'kept-back' }, response: null, regionMs: 0, idempotencyKey: null }

/** Throws region_unavailable, outcome_unknown, body_too_large. */
export async function forwardRequest(visit: Visit, plan: Plan): Promise<Forwarded> {
  const deadline = startDeadline(visit.deadlineMs)
  try {
    return await tryRegions(visit, plan, deadline)
  } finally {
    deadline.stop()
  }
}

async function tryRegions(visit: Visit, plan: Plan, deadline: Deadline): Promise<Forwarded> {
  const rest = [...plan.regions]
  const isLastResort = hasNoOther(visit, plan)
  let failedOver: Forwarded['failedOver'] = null
  let attempts = 0
  let region = rest.shift()
  while (region !== undefined) {
    const enters = await mayEnter(region, visit.call.class, isLastResort)
    if (enters) attempts += 1
    const sent: Sent = enters ? await sendOnce(visit, region, attempts, deadline.signal) : KEPT_BACK
    learn(visit, region, sent)
    const step = nextStep({
      class: visit.call.class,
      outcome: outcomeOf(sent.attempt),
      maySendAgain: maySendAgain(visit, sent, attempts, deadline, rest[0] ?? region),
      hasNextRegion: rest.length > 0,
    })
    if (step === 'answer' || (step === 'unavailable' && isRefusal(sent.attempt))) {
      if (sent.response !== null) return { response: sent.response, region, regionMs: sent.regionMs, failedOver }
    }
    if (step === 'unknown') throw unknownOutcome(visit, region, sent)
    const isSettled = step === 'unavailable' || step === 'answer'
    if (isSettled || (step === 'same-region' && !enters)) throw unavailable([region], sent.cause)
    await sent.response?.body?.cancel()
    if (isPaidFor(sent.attempt)) healthOf(rest[0] ?? region).budget.spend()
    if (step === 'next-region') {
      failedOver = { from: region, reason: reasonOf(sent.attempt) }
      region = rest.shift()
    }
  }
  throw unavailable(plan.regions)
}

/** With one region, or with every region of a free choice shut, trying beats refusing. */
function hasNoOther(visit: Visit, plan: Plan): boolean {
  if (visit.registry.regions.length === 1) return true
  return plan.by === 'steering' && plan.regions.every((region) => isShut(region))
}

function isShut(region: Region): boolean {
  const state = healthOf(region).breaker.state(Date.now())
  return state === 'open' || state === 'half-open'
}

function maySendAgain(visit: Visit, sent: Sent, attempts: number, deadline: Deadline, target: Region): boolean {
  if (deadline.isOver() || attempts >= LIMITS.attemptsMax) return false
  if (sent.attempt.kind === 'kept-back') return true
  if (visit.body.kind === 'stream' || visit.isUpgrade) return false
  return !isPaidFor(sent.attempt) || healthOf(target).budget.canSpend()
}

/** A refusal in the region's own words cost it nothing, so going on after it is free. */
const isPaidFor = (attempt: Attempt): boolean => attempt.kind !== 'kept-back' && !isRefusal(attempt)
const isRefusal = (attempt: Attempt): boolean => attempt.kind === 'answer' && attempt.isFromOrigin

/**
 * What this attempt says about the region's health. A stream may have failed on the sender's side, and a caller who asked for
 * less time than usual proves nothing by running out of it.
 */
function learn(visit: Visit, region: Region, { attempt, response }: Sent): void {
  const { breaker, budget } = healthOf(region)
  const nowMs = Date.now()
  if (attempt.kind === 'answer' && attempt.isFromOrigin) {
    breaker.succeed(nowMs)
    budget.earn()
    const load = parseLoad(response?.headers.get('x-region-load') ?? null)
    if (load !== null) healthOf(region).heard = { load, atMs: nowMs }
  }
  const isCallersDoing = visit.body.kind === 'stream' || (attempt.kind === 'timeout' && visit.askedMs !== null)
  if (isFailure(attempt) && !isCallersDoing) breaker.fail(nowMs)
}

function reasonOf(attempt: Attempt): string {
  if (attempt.kind === 'kept-back') return 'breaker_open'
  return isRefusal(attempt) ? 'not_executed' : 'unreachable'
}

function unknownOutcome(visit: Visit, region: Region, { idempotencyKey, cause }: Sent): AppError {
  const retry =
    idempotencyKey === null ? '' : ` To find out, repeat it with the key in details and X-Region: ${region.code}.`
  return new AppError(
    'outcome_unknown',
    `The region ${region.name} (${region.code}) gave no answer, so the request may have been executed.${retry}`,
    {
      details: { region: region.code, ...(idempotencyKey === null ? {} : { idempotency_key: idempotencyKey }) },
      detail: `${visit.request.method} ${visit.call.path}`,
      cause,
    },
  )
}
