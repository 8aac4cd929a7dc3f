/** Tells once whether a sandbox has come to run: `ready`, or `timeout` with the reason why it is not waited for any longer. */
import { AppError } from '../../../shared/errors.ts'
import { ENDED } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { ServerEvent } from '../http/event-stream.ts'
import type { Watched } from './state-watch.ts'

const isOver = ({ state }: Watched): boolean => state === 'running' || ENDED.has(state)

/** Throws draining when this process ends first: another one will answer. */
export async function* followReadiness(
  controller: Controller,
  row: SandboxRow,
  left: AbortSignal,
  waitMs: number = LIMITS.readinessWaitMs,
): AsyncGenerator<ServerEvent> {
  const now = isOver(row) ? row : await waitFor(controller, row, left, waitMs)
  if (left.aborted) return
  if (now === 'draining') throw new AppError('draining', 'This server is about to stop.')
  yield eventOf(now)
}

async function waitFor(
  controller: Controller,
  row: SandboxRow,
  left: AbortSignal,
  waitMs: number,
): Promise<Watched | undefined | 'draining'> {
  const isOverOrDraining = (now: Watched): boolean => controller.isDraining() || isOver(now)
  const now = await controller.states.until(row, isOverOrDraining, AbortSignal.any([left, AbortSignal.timeout(waitMs)]))
  return now === undefined || isOver(now) ? now : 'draining'
}

function eventOf(now: Watched | undefined): ServerEvent {
  if (now?.state === 'running')
    return { event: 'ready', data: { type: 'ready', ready_at: now.readyAt?.toISOString() ?? null } }
  const reason = now === undefined ? 'boot_timeout' : `sandbox_${now.state}`
  return { event: 'timeout', data: { type: 'timeout', reason } }
}
