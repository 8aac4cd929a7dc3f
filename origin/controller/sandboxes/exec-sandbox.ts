/**
 * Runs a command in a sandbox to its end, or until its caller goes away: nobody else could ever read what it says. It is sent to
 * the host once; only a host that says it was not started is asked again.
 */
import type { ExecBody } from '../../../shared/contracts/sandbox-bodies.ts'
import type { ExecAnswer } from '../../../shared/contracts/sandbox-records.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { Tunnel } from '../hosts/open-tunnel.ts'
import type { Trouble } from '../hosts/outcome.ts'
import type { Run } from '../hosts/run-stream.ts'
import type { Timing } from '../http/timing.ts'
import { findForChange, notFound, readSandbox } from './find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from './lose-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'
import { planExec } from './plan-exec.ts'
import { toExecAnswer } from './record.ts'
import { ensureRunning } from './resume-sandbox.ts'
import { outcomeUnknown } from './start-on-host.ts'
import { followStop } from './stopped-sandbox.ts'

/** `caller` is aborted when whoever asked has gone before the answer. */
export type ExecRequest = { principal: Principal; reference: string; body: ExecBody; caller: AbortSignal }

export async function execInSandbox(controller: Controller, request: ExecRequest, timing: Timing): Promise<ExecAnswer> {
  const { principal, reference, caller } = request
  const exec = planExec(request.body)
  const found = await timing.measure(
    'admit',
    findForChange(controller.database.db, principal, reference, controller.region.code),
  )
  const { db } = controller.database
  let row = await timing.measure('resume', ensureRunning(controller, principal, found))
  let outcome = await timing.measure('exec', hostOf(controller, row).exec(row.id, exec, caller))
  for (let tries = 1; tries < LIMITS.changeTriesMax && isPausedThere(outcome); tries++) {
    // Its time ran out on the host, and the row has not heard of it yet. Nothing was started.
    const now = (await moveSandbox(db, row.id, 'pause', { revision: row.revision })) ?? (await readSandbox(db, row.id))
    if (now === undefined) throw notFound()
    row = await timing.measure('resume', ensureRunning(controller, principal, now))
    outcome = await timing.measure('exec', hostOf(controller, row).exec(row.id, exec, caller))
  }
  return conclude(controller, row, outcome)
}

/** The host says that it is paused there, and has begun nothing. */
export const isPausedThere = (outcome: Run | Tunnel | Trouble): boolean =>
  'error' in outcome && outcome.kind !== 'unknown' && outcome.error.code === 'sandbox_not_running'

async function conclude(controller: Controller, row: SandboxRow, outcome: Run | Trouble): Promise<ExecAnswer> {
  if (outcome.kind === 'ran' && outcome.exit !== null) return toExecAnswer(outcome.exit)
  const stopped = outcome.kind === 'ran' ? undefined : await followStop(controller, row, outcome)
  if (stopped !== undefined) throw stopped
  if (outcome.kind !== 'ran' && isLost(outcome)) throw await loseSandbox(controller, row, outcome)
  if (outcome.kind === 'ran' || outcome.kind === 'unknown')
    throw outcomeUnknown(row.id, undefined, outcome.kind === 'unknown' ? outcome.error : undefined)
  throw outcome.error
}
