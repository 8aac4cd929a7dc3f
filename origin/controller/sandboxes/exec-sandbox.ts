/**
 * Runs a command in a sandbox to its end, or until its caller goes away: nobody else could ever read what it says. It is sent to
 * the host once; only a host that says it was not started is asked again.
 */
import type { ExecBody } from '../../../shared/contracts/sandbox-bodies.ts'
import type { ExecAnswer } from '../../../shared/contracts/sandbox-records.ts'
import type { Principal } from '../accounts/principal.ts'
import { commandText } from '../commands/command-text.ts'
import { tellCommand } from '../commands/tell-command.ts'
import type { Controller } from '../controller.ts'
import type { CalledRow } from '../database/schema/sandboxes.ts'
import type { Trouble } from '../hosts/outcome.ts'
import type { Run } from '../hosts/run-stream.ts'
import type { Timing } from '../http/timing.ts'
import { workdirOf } from '../templates/template-settings.ts'
import { askAwake } from './ask-awake.ts'
import { findForCall } from './find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from './lose-sandbox.ts'
import { planExec } from './plan-exec.ts'
import { toExecAnswer } from './record.ts'
import { outcomeUnknown } from './start-on-host.ts'
import { followStop } from './stopped-sandbox.ts'

/** `caller` is aborted when whoever asked has gone before the answer. */
export type ExecRequest = { principal: Principal; reference: string; body: ExecBody; caller: AbortSignal }

export async function execInSandbox(controller: Controller, request: ExecRequest, timing: Timing): Promise<ExecAnswer> {
  const { principal, reference, caller } = request
  const found = await timing.measure(
    'admit',
    findForCall(controller.database.db, principal, reference, controller.region.code),
  )
  const exec = planExec(request.body, await workdirOf(controller.database.db, found))
  const told = tellCommand(controller, found.id, { command: commandText(request.body) })
  try {
    const { row, outcome } = await askAwake(controller, {
      waker: principal,
      found,
      ask: (running) =>
        controller.callShares.within(running, () =>
          hostOf(controller, running).exec(running.id, exec, caller, { onStarted: told.begin }),
        ),
      timing,
      phase: 'exec',
    })
    if (outcome.kind === 'ran' && outcome.exit !== null) told.end(outcome.exit.facts)
    return await conclude(controller, row, outcome)
  } finally {
    told.lose()
  }
}

async function conclude(controller: Controller, row: CalledRow, outcome: Run | Trouble): Promise<ExecAnswer> {
  if (outcome.kind === 'ran' && outcome.exit !== null) return toExecAnswer(outcome.exit)
  const stopped = outcome.kind === 'ran' ? undefined : await followStop(controller, row, outcome)
  if (stopped !== undefined) throw stopped
  if (outcome.kind !== 'ran' && isLost(outcome)) throw await loseSandbox(controller, row, outcome)
  if (outcome.kind === 'ran' || outcome.kind === 'unknown')
    throw outcomeUnknown(row.id, undefined, outcome.kind === 'unknown' ? outcome.error : undefined)
  throw outcome.error
}
