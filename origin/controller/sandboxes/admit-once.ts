/**
 * Admission under an Idempotency-Key. While another request with the key is under way this one waits for its answer; when that
 * one's controller died, this one finishes what it can and says truthfully what it cannot.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import { ENDED } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type Admitted, admit, type Wanted } from './admit.ts'
import { type Claim, dropClaim, finishClaim } from './claim.ts'
import { readSandbox } from './find-sandbox.ts'
import { toRecord } from './record.ts'
import { outcomeUnknown } from './start-on-host.ts'

type Settled = Exclude<Admitted, { kind: 'in_progress' }>

export async function admitOnce(controller: Controller, wanted: Wanted): Promise<Settled> {
  const until = controller.clock() + LIMITS.idempotencyWaitMs
  let seenAbandoned: string | undefined
  let isWaiting = false
  for (;;) {
    const admitted = await admit(controller, wanted).catch((thrown: unknown) => {
      throw isWaiting ? asSeenByWaiter(thrown) : thrown
    })
    if (admitted.kind !== 'in_progress') return admitted
    isWaiting = true
    const { sandbox } = admitted
    // The owner stores its answer and then forgets the sandbox; between our question and this look it may have done both. So ask twice.
    const isAbandoned = !isWorkedOn(controller, admitted)
    if (isAbandoned && seenAbandoned === sandbox && wanted.claim !== undefined) {
      const settled = await settleAbandoned(controller, wanted.claim, sandbox)
      if (settled !== undefined) return settled
    }
    seenAbandoned = isAbandoned ? sandbox : undefined
    if (controller.clock() >= until)
      throw new AppError('idempotency_in_progress', 'The first request with this Idempotency-Key is still under way.', {
        retryAfterSec: 1,
      })
    await sleep(LIMITS.rowPollMs)
  }
}

/** This request did nothing, but the one with its key may have: another region must not make a second sandbox. */
const asSeenByWaiter = (thrown: unknown): unknown =>
  thrown instanceof AppError && thrown.code === 'region_unavailable' ? thrown.cause : thrown

const isWorkedOn = (controller: Controller, owner: { sandbox: string; instance: number; alive: boolean }): boolean =>
  owner.instance === controller.instance.number ? controller.inFlight.has(owner.sandbox) : owner.alive

/** Undefined while the reconciler still has to find out what became of it, or when the way is free for a new attempt. */
async function settleAbandoned(controller: Controller, claim: Claim, sandboxId: string): Promise<Settled | undefined> {
  if (claim.kind === 'run') throw outcomeUnknown(sandboxId, claim.key)
  const { db } = controller.database
  const row = await readSandbox(db, sandboxId)
  if (row !== undefined && row.readyAt !== null) {
    const response = JSON.stringify({ data: toRecord(row, controller) })
    await finishClaim(db, claim, sandboxId, { status: 201, response })
    return { kind: 'replay', status: 201, response }
  }
  if (row === undefined || ENDED.has(row.state)) await dropClaim(db, claim, sandboxId)
  return undefined
}
