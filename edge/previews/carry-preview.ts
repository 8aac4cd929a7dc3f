/**
 * One request of a visitor, to the region of the sandbox and back, streamed both ways. A region may be slow to answer because the
 * sandbox is, which is nothing against the region; what asks for nothing to be changed is asked for once more when its answer was lost.
 */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { PreviewAddress } from '../../shared/preview-address.ts'
import { PREVIEW_PASS } from '../../shared/preview-words.ts'
import type { Region } from '../../shared/regions.ts'
import type { Config } from '../config.ts'
import { nextStep } from '../failover/next-step.ts'
import { type Attempt, isFailure, outcomeOf } from '../failover/outcome.ts'
import { healthOf } from '../failover/region-health.ts'
import { type Deadline, startDeadline } from '../forward/deadline-signal.ts'
import { mayEnter } from '../forward/enter-region.ts'
import { HOPS_HEADER, hopsAfter } from '../requests/hops.ts'
import type { Arrival } from '../requests/visit.ts'
import { unavailable } from '../steering/plan-route.ts'
import { signPass, type Visitor } from './sign-pass.ts'
import { headersForSandbox } from './visitor-headers.ts'

export type Errand = {
  address: PreviewAddress
  region: Region
  isOnlyRegion: boolean
  config: Config
  /** The visitor's own path and query. */
  path: string
  visitor: Visitor
}

type Sent = { attempt: Attempt; response: Response | null; cause?: unknown }

/** Throws region_unavailable, outcome_unknown. */
export async function carry(arrival: Arrival, errand: Errand): Promise<Response> {
  const { request } = arrival
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const isUpgrade = request.headers.get('upgrade')?.toLowerCase() === 'websocket'
  const { budget } = healthOf(errand.region)
  const deadline = startDeadline(LIMITS.previewHeadMs)
  try {
    for (let attempts = 1; ; attempts += 1) {
      if (!(await mayEnter(errand.region, isRead ? 'read' : 'change', errand.isOnlyRegion)))
        throw unavailable([errand.region])
      const sent = await send(arrival, errand, isUpgrade, deadline)
      learn(errand.region, sent.attempt, request.body !== null)
      const canRepeat = isRead && !isUpgrade && attempts < LIMITS.attemptsMax && !deadline.isOver()
      const step = nextStep({
        class: isRead ? 'read' : 'change',
        outcome: outcomeOf(sent.attempt),
        maySendAgain: canRepeat && budget.canSpend(),
        hasNextRegion: false,
        isPinned: true,
        isRead,
      })
      if (sent.response !== null && (step === 'answer' || isRefusal(sent.attempt))) return sent.response
      await sent.response?.body?.cancel().catch(() => undefined)
      if (step === 'unknown') throw unknown(errand.region, sent.cause)
      if (step !== 'same-region') throw unavailable([errand.region], sent.cause)
      budget.spend()
    }
  } finally {
    deadline.stop()
  }
}

const isRefusal = (attempt: Attempt): boolean => attempt.kind === 'answer' && attempt.isFromOrigin

async function send(arrival: Arrival, errand: Errand, isUpgrade: boolean, deadline: Deadline): Promise<Sent> {
  const { request } = arrival
  const { address, region, config, visitor } = errand
  const url = new URL(`${PREVIEW_PASS.path}/${address.sandbox}/${address.port}${errand.path}`, region.url)
  const headers = headersForSandbox(request.headers, isUpgrade)
  headers.set(PREVIEW_PASS.header, await signPass(address, visitor, url.pathname + url.search, config))
  headers.set('x-request-id', visitor.requestId)
  headers.set(HOPS_HEADER, String(hopsAfter(request.headers)))
  try {
    const { method, body } = request
    // A cache between here and the region would show to one what another was let in to see.
    const how = { redirect: 'manual', cache: 'no-store' } as const
    const response = await fetch(url, { method, headers, body, ...how, signal: deadline.signal })
    const marks = {
      isFromOrigin: response.headers.has('x-origin'),
      saysNotExecuted: response.headers.has('x-not-executed'),
    }
    return { attempt: { kind: 'answer', status: response.status, ...marks }, response }
  } catch (cause) {
    return { attempt: { kind: deadline.isOver() ? 'timeout' : 'lost' }, response: null, cause }
  }
}

/** A stream may have failed on the sender's side, and a sandbox that thinks for long is no failing region. */
function learn(region: Region, attempt: Attempt, hasBody: boolean): void {
  const { breaker, budget } = healthOf(region)
  if (attempt.kind === 'answer' && attempt.isFromOrigin) {
    breaker.succeed(Date.now())
    budget.earn()
  } else if (isFailure(attempt) && attempt.kind !== 'timeout' && !hasBody) breaker.fail(Date.now())
}

const unknown = ({ name, code }: Region, cause: unknown): AppError =>
  new AppError('outcome_unknown', `The region ${name} (${code}) gave no answer, so the request may have arrived.`, {
    details: { region: code },
    cause,
  })
