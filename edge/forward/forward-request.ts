/** Sends a request where its plan says, on to the next region where the table allows it, and says honestly what is not known. */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import { nextStep, type Step } from '../failover/next-step.ts'
import { type Attempt, outcomeOf } from '../failover/outcome.ts'
import { healthOf, isShut } from '../failover/region-health.ts'
import type { Visit } from '../requests/visit.ts'
import { type Plan, unavailable } from '../steering/plan-route.ts'
import { type Deadline, startDeadline } from './deadline-signal.ts'
import { mayEnter } from './enter-region.ts'
import { learnFrom } from './learn-from.ts'
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
  const isLastResort = hasNoOther(visit, plan)
  let [region, ...rest] = plan.regions
  let failedOver: Forwarded['failedOver'] = null
  let attempts = 0
  while (region !== undefined) {
    const enters = await mayEnter(region, visit.call.class, isLastResort)
    if (enters) attempts += 1
    const sent: Sent = enters ? await sendOnce(visit, region, attempts, deadline.signal) : KEPT_BACK
    learnFrom(visit, region, sent)
    const step = stepAfter(visit, sent, { attempts, isOver: deadline.isOver(), region, rest })
    if (step === 'answer' || (step === 'unavailable' && isRefusal(sent.attempt)))
      return settle(sent, region, failedOver)
    // Nobody reads this answer, and a body that is left lying holds its connection.
    await sent.response?.body?.cancel().catch(() => undefined)
    if (step === 'unknown') throw unknownOutcome(visit, region, sent)
    if (step === 'unavailable') throw unavailable([region], sent.cause)
    if (step === 'next-region') {
      failedOver = { from: region, reason: reasonOf(sent.attempt) }
      ;[region, ...rest] = rest
    }
    if (region !== undefined && isPaidFor(sent.attempt)) healthOf(region).budget.spend()
  }
  throw unavailable(plan.regions)
}

type Progress = { attempts: number; isOver: boolean; region: Region; rest: readonly Region[] }

function stepAfter(visit: Visit, sent: Sent, progress: Progress): Step {
  return nextStep({
    class: visit.call.class,
    outcome: outcomeOf(sent.attempt),
    maySendAgain: maySendAgain(visit, sent, progress),
    hasNextRegion: progress.rest.length > 0,
    isRead: visit.request.method === 'GET' || visit.request.method === 'HEAD',
  })
}

/** The region's answer; a refusal in its own words says more than ours would. */
function settle({ response, regionMs, cause }: Sent, region: Region, failedOver: Forwarded['failedOver']): Forwarded {
  if (response === null) throw unavailable([region], cause)
  return { response, region, regionMs, failedOver }
}

/** With one region, or with every region of a free choice shut, trying beats refusing. */
function hasNoOther(visit: Visit, plan: Plan): boolean {
  if (visit.registry.regions.length === 1) return true
  return plan.by === 'steering' && plan.regions.every((region) => isShut(region, Date.now()))
}

/** A request that was kept back is still whole; any other must be in hand to be sent again. */
function maySendAgain(visit: Visit, { attempt }: Sent, { attempts, isOver, region, rest }: Progress): boolean {
  if (isOver || attempts >= LIMITS.attemptsMax) return false
  if (attempt.kind === 'kept-back') return rest.length > 0
  if (visit.body.kind === 'stream' || visit.isUpgrade) return false
  return !isPaidFor(attempt) || healthOf(rest[0] ?? region).budget.canSpend()
}

/** A refusal in the region's own words cost it nothing, so going on after it is free. */
const isPaidFor = (attempt: Attempt): boolean => attempt.kind !== 'kept-back' && !isRefusal(attempt)
const isRefusal = (attempt: Attempt): boolean => attempt.kind === 'answer' && attempt.isFromOrigin

function reasonOf(attempt: Attempt): string {
  if (attempt.kind === 'kept-back') return 'unhealthy'
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
