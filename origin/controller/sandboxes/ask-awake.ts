/** Asks the host of a sandbox that must run for it, and wakes it first; also when the host knows before the row that it is paused. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { CalledRow, SandboxRow } from '../database/schema/sandboxes.ts'
import type { Trouble } from '../hosts/outcome.ts'
import type { Timing } from '../http/timing.ts'
import { notFound, readSandbox } from './find-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'
import { ensureRunning, type Waker } from './resume-sandbox.ts'

type Asking<T> = {
  waker: Waker
  found: CalledRow
  /** Sent again only when the host says that it is paused there, and has begun nothing. */
  ask: (row: CalledRow) => Promise<T | Trouble>
  timing?: Timing | undefined
  /** What the asking is called in the timing. */
  phase: string
}

/** What came of it, and the row that it was asked about. Throws what the caller should hear when the sandbox cannot run. */
export async function askAwake<T extends { kind: string }>(
  controller: Controller,
  { waker, found, ask, timing, phase }: Asking<T>,
): Promise<{ row: CalledRow; outcome: T | Trouble }> {
  const measure = <R>(name: string, work: Promise<R>): Promise<R> => timing?.measure(name, work) ?? work
  let row = await measure('resume', ensureRunning(controller, waker, found))
  let outcome = await measure(phase, ask(row))
  for (let tries = 1; tries < LIMITS.changeTriesMax && isPausedThere(outcome); tries++) {
    row = await measure('resume', ensureRunning(controller, waker, await followPause(controller, row)))
    outcome = await measure(phase, ask(row))
  }
  return { row, outcome }
}

/** Its time ran out on the host, and the row had not heard of it yet. */
async function followPause({ database: { db } }: Controller, { id, revision }: CalledRow): Promise<SandboxRow> {
  const now = (await moveSandbox(db, id, 'pause', { revision })) ?? (await readSandbox(db, id))
  if (now === undefined) throw notFound()
  return now
}

/** The host says that it is paused there, and has begun nothing. */
export const isPausedThere = (outcome: { kind: string } | Trouble): boolean =>
  'error' in outcome && outcome.kind !== 'unknown' && outcome.error.code === 'sandbox_not_running'
