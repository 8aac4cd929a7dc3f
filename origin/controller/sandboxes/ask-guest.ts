/** Asks the agent in a sandbox, which is woken for it. Every road into a sandbox but the first command of `run` and `exec` is this one. */
import { Readable } from 'node:stream'
import type * as z from 'zod'
import { guestRefusalBody } from '../../../shared/contracts/guest-refusals.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { CalledRow } from '../database/schema/sandboxes.ts'
import type { GuestAnswer, GuestRequest, GuestStream } from '../hosts/guest-calls.ts'
import type { Trouble } from '../hosts/outcome.ts'
import { readJson } from '../hosts/read-json.ts'
import type { Timing } from '../http/timing.ts'
import { askAwake } from './ask-awake.ts'
import { findForCall } from './find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from './lose-sandbox.ts'
import type { Waker } from './resume-sandbox.ts'
import { outcomeUnknown } from './start-on-host.ts'
import { followStop } from './stopped-sandbox.ts'

export type GuestAsking = {
  principal: Principal
  reference: string
  /** Breaks the call off when it is aborted, whenever that is. */
  caller: AbortSignal
  timing?: Timing
}
/** A sandbox that was found before. */
export type FoundAsking = Omit<GuestAsking, 'principal' | 'reference'> & { waker: Waker; found: CalledRow }

export type Answered = Omit<GuestAnswer, 'kind'> & { row: CalledRow }
export type Conversation = Omit<GuestStream, 'kind'> & { row: CalledRow }

/** The agent's answer to what it did not refuse. Throws what the caller should hear. */
export async function askGuest(
  controller: Controller,
  asking: GuestAsking | FoundAsking,
  request: GuestRequest,
): Promise<Answered> {
  const { row, outcome } = await ask(controller, asking, async (awake) => {
    if (request.body instanceof Readable && request.body.readableDidRead)
      throw new AppError('state_conflict', 'The sandbox was paused while the body was on its way.')
    return controller.callShares.within(awake, () => hostOf(controller, awake).guest(awake.id, request, asking.caller))
  })
  return { ...(await settle(controller, row, outcome, request)), row }
}

/** A conversation with the agent, both ways at once. Throws what the caller should hear. */
export async function openGuestStream(
  controller: Controller,
  asking: GuestAsking | FoundAsking,
  request: GuestRequest,
): Promise<Conversation> {
  const { row, outcome } = await ask(controller, asking, (awake) =>
    controller.callShares.within(awake, () => hostOf(controller, awake).guestStream(awake.id, request, asking.caller)),
  )
  if (outcome.kind === 'opened') return { socket: outcome.socket, headers: outcome.headers, row }
  const { body } = await settle(controller, row, outcome, request)
  body.destroy()
  throw nonsense()
}

/** The whole body of an answer as what its schema says, which must come within `limitMs`. Throws AppError('guest_unreachable'). */
export async function readGuestJson<T extends z.ZodType>(
  { body }: Pick<Answered, 'body'>,
  schema: T,
  limitMs: number = LIMITS.hostRequestMs,
): Promise<z.output<T>> {
  const timer = setTimeout(() => body.destroy(new Error('The agent did not end its answer in time.')), limitMs)
  try {
    return schema.parse(await readJson(body))
  } catch (cause) {
    throw nonsense(cause)
  } finally {
    clearTimeout(timer)
    body.destroy()
  }
}

/** Why an answer or a conversation broke off: what the caller should hear in its place. It never rejects. */
export async function whyCut(controller: Controller, row: CalledRow): Promise<AppError> {
  try {
    const answer = await hostOf(controller, row).stats(row.id)
    if (answer.kind !== 'done') return (await endOf(controller, row, answer)) ?? answer.error
    if (answer.value.state !== 'paused') return cut()
    const paused = new AppError('sandbox_paused', 'The sandbox was paused.')
    return (await followStop(controller, row, { kind: 'failed', error: paused })) ?? paused
  } catch {
    return cut()
  }
}

/** The same for what had begun to run: that its host is away now says nothing about whether it was done, so it is not to be sent again. */
export const asWork = ({ id }: CalledRow, why: AppError): AppError =>
  why.code === 'host_unavailable' ? outcomeUnknown(id, undefined, why) : why

async function ask<T extends { kind: string }>(
  controller: Controller,
  asking: GuestAsking | FoundAsking,
  send: (row: CalledRow) => Promise<T | Trouble>,
): Promise<{ row: CalledRow; outcome: T | Trouble }> {
  const { timing } = asking
  if ('found' in asking) {
    const { waker, found } = asking
    return askAwake(controller, { waker, found, ask: send, timing, phase: 'guest' })
  }
  const { principal, reference } = asking
  const finding = findForCall(controller.database.db, principal, reference, controller.region.code)
  const found = await (timing?.measure('admit', finding) ?? finding)
  return askAwake(controller, { waker: principal, found, ask: send, timing, phase: 'guest' })
}

async function settle(
  controller: Controller,
  row: CalledRow,
  outcome: GuestAnswer | Trouble,
  { isWork }: GuestRequest,
): Promise<Omit<GuestAnswer, 'kind'>> {
  if (outcome.kind !== 'answered') {
    const mayHaveRun = outcome.kind === 'unknown' && isWork === true
    const ended = await endOf(controller, row, outcome)
    throw ended ?? (mayHaveRun ? outcomeUnknown(row.id, undefined, outcome.error) : outcome.error)
  }
  const { kind: _, ...answer } = outcome
  if (answer.status < 300) return answer
  if (answer.status >= 400) throw await refusalOf(answer)
  // The agent sends nobody elsewhere, and its empty body would count as what was asked for.
  answer.body.destroy()
  throw nonsense()
}

const SIZE_OF_RANGES = /^bytes \*\/(\d{1,15})$/

async function refusalOf(answer: Omit<GuestAnswer, 'kind'>): Promise<AppError> {
  const { code, message, field } = await readGuestJson(answer, guestRefusalBody)
  if (field !== undefined) return new AppError(code, message, { details: { [field]: [message] } })
  const size =
    code === 'range_not_satisfiable' ? SIZE_OF_RANGES.exec(answer.headers['content-range'] ?? '')?.[1] : undefined
  return new AppError(code, message, size === undefined ? {} : { details: { size_bytes: Number(size) } })
}

/** When the trouble is that the sandbox was paused or has ended. */
async function endOf(controller: Controller, row: CalledRow, trouble: Trouble): Promise<AppError | undefined> {
  return (
    (await followStop(controller, row, trouble)) ??
    (isLost(trouble) ? await loseSandbox(controller, row, trouble) : undefined)
  )
}

const nonsense = (cause?: unknown): AppError =>
  new AppError('guest_unreachable', 'The agent inside the sandbox gave an answer that is none.', { cause })

const cut = (): AppError => new AppError('guest_unreachable', 'The connection to the agent inside the sandbox broke.')
