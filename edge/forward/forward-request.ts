/** Sends a request where its plan says, on to the next region where the table allows it, and says honestly what is not known. */
import type { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import { nextStep, type Step } from '../failover/next-step.ts'
import { type Attempt, isRefusal, outcomeOf } from '../failover/outcome.ts'
import { healthOf, isShut } from '../failover/region-health.ts'
import { keyOfRequest, type RequestKey } from '../idempotency/request-key.ts'
import type { Visit } from '../requests/visit.ts'
import { type Plan, unavailable } from '../steering/plan-route.ts'
import { type Deadline, startDeadline } from './deadline-signal.ts'
import { mayEnter } from './enter-region.ts'
import { followKey } from './follow-key.ts'
import { learnFrom } from './learn-from.ts'
import { type Left, leaveRegion } from './leave-region.ts'
import type { Sent } from './send-once.ts'
import { type Astray, drop, type Posted, sendWithKey } from './send-with-key.ts'
import { unknownOutcome } from './unknown-outcome.ts'

export type Forwarded = {
  response: Response
  region: Region
  regionMs: number
  failedOver: { from: Region; reason: string } | null
}

const KEPT_BACK: Posted = {
  kind: 'sent',
  sent: { attempt: { kind: 'kept-back' }, response: null, regionMs: 0, idempotencyKey: null },
}

/** Throws region_unavailable, outcome_unknown, body_too_large, upload_incomplete, idempotency_unavailable, idempotency_elsewhere, idempotency_in_progress. */
export async function forwardRequest(visit: Visit, plan: Plan): Promise<Forwarded> {
  const deadline = startDeadline(visit.deadlineMs, movementOf(visit))
  try {
    const key = await keyOfRequest(visit, deadline.signal)
    const forwarding = tryRegions(visit, plan, deadline, key)
    if (key === null) return await forwarding
    const ending = endWithKey(key, forwarding)
    // A caller who leaves comes back with the key; what was begun for it is brought to an end.
    visit.reading.inBackground(ending.catch(() => undefined))
    return await ending
  } finally {
    deadline.stop()
  }
}

const movementOf = ({ body }: Visit): (() => number) | undefined =>
  body.kind === 'stream' && 'movedAtMs' in body.waits ? body.waits.movedAtMs : undefined

/** A request that fails says that its key is free before its caller hears of the failure: a quick retry would find it held. */
async function endWithKey(key: RequestKey, forwarding: Promise<Forwarded>): Promise<Forwarded> {
  try {
    const forwarded = await forwarding
    if (!forwarded.response.ok) await key.letGo()
    return forwarded
  } catch (error) {
    await key.letGo()
    throw error
  }
}

async function tryRegions(visit: Visit, plan: Plan, deadline: Deadline, key: RequestKey | null): Promise<Forwarded> {
  const isLastResort = hasNoOther(visit, plan)
  let [region, ...rest] = plan.regions
  let left: Left | null = null
  let failedOver: Forwarded['failedOver'] = null
  let attempts = 0
  while (region !== undefined) {
    const enters = await mayEnter(region, visit.call.class, isLastResort)
    if (enters) attempts += 1
    const posted: Posted = enters ? await enter(visit, key, left, { region, attempts, deadline }) : KEPT_BACK
    if (posted.kind === 'astray') return follow(visit, posted, plan, deadline)
    if (posted.kind === 'unheard') throw await unheard(visit, region, posted.sent)
    if (enters) left = null
    const sent: Sent = posted.sent
    learnFrom(visit, region, sent)
    const step = stepAfter(visit, plan, sent, { attempts, isOver: deadline.isOver(), region, rest })
    if (step === 'answer' || (step === 'unavailable' && isRefusal(sent.attempt)))
      return settle(sent, region, failedOver)
    // Nobody reads this answer, and a body that is left lying holds its connection.
    await drop(sent)
    if (step === 'unknown') throw unknownOutcome(visit, region, sent)
    if (step === 'unavailable') throw left === null ? unavailable([region], sent.cause) : whatBecameOf(visit, left)
    if (step === 'next-region') {
      failedOver ??= { from: region, reason: reasonOf(sent.attempt) }
      if (enters) left = { region, sent }
      ;[region, ...rest] = rest
    }
    if (region !== undefined && isPaidFor(sent.attempt)) healthOf(region).budget.spend()
  }
  throw unavailable(plan.regions)
}

type Entrance = { region: Region; attempts: number; deadline: Deadline }

async function enter(visit: Visit, key: RequestKey | null, left: Left | null, entrance: Entrance): Promise<Posted> {
  const { region, attempts: attempt, deadline } = entrance
  if (left !== null) {
    const leaving = await leaveRegion(visit, key, left, region, deadline.signal)
    if (leaving.kind === 'astray') return leaving
    if (leaving.kind === 'stay') throw whatBecameOf(visit, left)
  }
  return sendWithKey(key, { visit, region, attempt, deadline: deadline.signal })
}

async function follow(visit: Visit, astray: Astray, plan: Plan, deadline: Deadline): Promise<Forwarded> {
  const { sent, region } = await followKey(visit, astray, deadline.signal)
  const [from] = plan.regions
  const failedOver = from === undefined || from === region ? null : { from, reason: 'key_elsewhere' }
  return settle(sent, region, failedOver)
}

async function unheard(visit: Visit, region: Region, sent: Sent): Promise<AppError> {
  await drop(sent)
  return unknownOutcome(visit, region, sent)
}

/** Of a create that was sent to a region and could not go on from there. */
function whatBecameOf(visit: Visit, { region, sent }: Left): AppError {
  return outcomeOf(sent.attempt) === 'ambiguous'
    ? unknownOutcome(visit, region, sent)
    : unavailable([region], sent.cause)
}

type Progress = { attempts: number; isOver: boolean; region: Region; rest: readonly Region[] }

function stepAfter(visit: Visit, plan: Plan, sent: Sent, progress: Progress): Step {
  return nextStep({
    class: visit.call.class,
    outcome: outcomeOf(sent.attempt),
    maySendAgain: maySendAgain(visit, sent, progress),
    hasNextRegion: progress.rest.length > 0,
    isPinned: plan.by === 'wish',
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

/** Going on after a refusal is free. */
const isPaidFor = (attempt: Attempt): boolean => attempt.kind !== 'kept-back' && !isRefusal(attempt)

function reasonOf(attempt: Attempt): string {
  if (attempt.kind === 'kept-back') return 'unhealthy'
  if (isRefusal(attempt)) return 'not_executed'
  return outcomeOf(attempt) === 'ambiguous' ? 'no_answer' : 'unreachable'
}
