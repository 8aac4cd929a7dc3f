/**
 * What is done once for an Idempotency-Key. While another request with the key is under way this one waits for its answer; when that
 * one's controller died, this one finishes what it can and says truthfully what it cannot.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'

/** `sandbox` names what the first request makes, or changes. */
export type InProgress = { kind: 'in_progress'; sandbox: string; instance: number; alive: boolean }
export type Replay = { kind: 'replay'; status: number; response: string }

/**
 * `settle` is asked about what an abandoned request was making: undefined while the reconciler still has to find out what became of it,
 * or when the way is free for a new attempt.
 */
export async function waitForTurn<Got extends { kind: string }>(
  controller: Controller,
  attempt: () => Promise<Got | InProgress>,
  settle: (made: string) => Promise<Replay | undefined>,
): Promise<Got | Replay> {
  const until = controller.clock() + LIMITS.idempotencyWaitMs
  let seenAbandoned: string | undefined
  let isWaiting = false
  for (;;) {
    const turn = await attempt().catch((thrown: unknown) => {
      throw isWaiting ? asSeenByWaiter(thrown) : thrown
    })
    if (!isInProgress(turn)) return turn
    isWaiting = true
    const { sandbox: made } = turn
    // The owner stores its answer and then forgets what it made; between our question and this look it may have done both. So ask twice.
    const isAbandoned = !isWorkedOn(controller, turn)
    if (isAbandoned && seenAbandoned === made) {
      const settled = await settle(made)
      if (settled !== undefined) return settled
    }
    seenAbandoned = isAbandoned ? made : undefined
    if (controller.clock() >= until)
      throw new AppError('idempotency_in_progress', 'The first request with this Idempotency-Key is still under way.', {
        retryAfterSec: 1,
      })
    await sleep(LIMITS.rowPollMs)
  }
}

const isInProgress = (turn: { kind: string }): turn is InProgress => turn.kind === 'in_progress'
const isWorkedOn = (controller: Controller, owner: InProgress): boolean =>
  owner.instance === controller.instance.number ? controller.inFlight.has(owner.sandbox) : owner.alive

/** This request did nothing, but the one with its key may have: another region must not make a second sandbox. */
const asSeenByWaiter = (thrown: unknown): unknown =>
  thrown instanceof AppError && thrown.code === 'region_unavailable' ? thrown.cause : thrown
