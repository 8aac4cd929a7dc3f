/**
 * A change under an Idempotency-Key, for what is not a create: the claim is won first, and finished with the answer that every later
 * request with the key gets. After a failure it is dropped, so that the same key may try again, unless the outcome is not known.
 */
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { sendStatement } from '../database/send-statement.ts'
import { describeError } from '../log.ts'
import { type Claim, dropClaim, finishClaim, type KeptAnswer, throwKeptError } from './claim.ts'
import { type InProgress, type Replay, waitForTurn } from './wait-for-turn.ts'

export type Reply = KeptAnswer & { isReplay: boolean }
/** Of an abandoned request: the answer that it would have given, that the way is free, or that nobody can say yet. */
export type Settled = KeptAnswer | 'free' | 'later'

export type Once = {
  claim: Claim | undefined
  /** Names what is made or changed, to those who come with the same key. */
  made: string
  /** `made` is that of the request that was abandoned. Throws when its outcome will never be known. */
  settle: (made: string) => Promise<Settled>
}

export async function answerOnce(
  controller: Controller,
  { claim, made, settle }: Once,
  work: () => Promise<KeptAnswer>,
): Promise<Reply> {
  if (claim === undefined) return { ...(await work()), isReplay: false }
  const { db } = controller.database
  controller.inFlight.add(made)
  try {
    const turn = await waitForTurn<{ kind: 'won' } | Replay>(
      controller,
      () => claimKey(controller, claim, made),
      (earlier) => takeOver(controller, claim, earlier, settle),
    )
    if (turn.kind === 'replay') {
      throwKeptError(turn)
      return { status: turn.status, response: turn.response, isReplay: true }
    }
    const answer = await work().catch(async (thrown: unknown) => {
      if (!isUnknown(thrown)) await dropClaim(db, claim, made)
      throw thrown
    })
    await finishClaim(db, claim, made, answer).catch((err: unknown) =>
      controller.log('error', 'idempotency.answer_not_kept', { made, error: describeError(err) }),
    )
    return { ...answer, isReplay: false }
  } finally {
    controller.inFlight.delete(made)
  }
}

const isUnknown = (thrown: unknown): boolean => thrown instanceof AppError && thrown.code === 'outcome_unknown'

async function takeOver(
  controller: Controller,
  claim: Claim,
  made: string,
  settle: Once['settle'],
): Promise<Replay | undefined> {
  const { db } = controller.database
  const settled = await settle(made)
  if (settled === 'later') return undefined
  if (settled === 'free') await dropClaim(db, claim, made)
  else await finishClaim(db, claim, made, settled)
  return settled === 'free' ? undefined : { kind: 'replay', ...settled }
}

const verdictSchema = z.discriminatedUnion('verdict', [
  z.object({ verdict: z.literal('won') }),
  z.object({ verdict: z.literal('replay'), status: z.int(), response: z.string() }),
  z.object({ verdict: z.literal('in_progress'), sandbox: z.string(), instance: z.int(), alive: z.boolean() }),
  z.object({ verdict: z.enum(['try_again', 'key_reused']) }),
])

async function claimKey(
  controller: Controller,
  { tenant, route, key, fingerprint }: Claim,
  made: string,
): Promise<{ kind: 'won' } | Replay | InProgress> {
  const claim = { route, key, fingerprint, ttl_sec: LIMITS.idempotencyTtlSec }
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    const rows = await sendStatement<{ verdict: unknown }>(controller.database.pool, {
      name: 'claim_key',
      text: 'select claim_key($1::jsonb, $2, $3, $4) as verdict',
      values: [JSON.stringify(claim), tenant, made, controller.instance.number],
    })
    const verdict = verdictSchema.parse(rows[0]?.verdict)
    if (verdict.verdict === 'key_reused')
      throw new AppError('idempotency_key_reused', 'This Idempotency-Key was used for a different request.')
    if (verdict.verdict === 'try_again') continue
    const { verdict: kind, ...facts } = verdict
    return { kind, ...facts } as { kind: 'won' } | Replay | InProgress
  }
  throw new AppError('idempotency_in_progress', 'Other requests with this Idempotency-Key come and go.', {
    retryAfterSec: 1,
  })
}
