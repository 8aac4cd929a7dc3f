/**
 * Starts what runs in every sandbox of a template, and waits until it is ready: then the snapshot has it running. It is a process like any
 * that a caller starts, so its sandboxes list it, and tell what it says.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { SandboxRow } from '../../database/schema/sandboxes.ts'
import { readProcess, startProcess } from '../../processes/ask-process.ts'
import { planProcess } from '../../processes/plan-process.ts'
import { readTail } from '../../processes/read-tail.ts'
import { bash } from './plan-steps.ts'
import { type OrderEnd, runOrder } from './run-order.ts'
import { BuildFailure } from './trouble.ts'
import type { Work } from './work.ts'

const MS_PER_SEC = 1_000
const NAME = 'start'

/** Throws BuildFailure when it does not start, or does not become ready. */
export async function startService(work: Work, sandbox: SandboxRow): Promise<void> {
  const { startCmd, readyCmd } = work.row.spec
  if (startCmd !== null && startCmd !== undefined) await start(work, sandbox, startCmd)
  if (readyCmd !== null && readyCmd !== undefined) await becomeReady(work, sandbox, readyCmd)
}

/** One that ends at once, and not well, was not started. */
async function start(work: Work, sandbox: SandboxRow, command: string): Promise<void> {
  const { controller, log, signal: caller } = work
  const { principal, spec } = work.row
  log.add('system', null, ['Starting the start command.'])
  const planned = planProcess({ command, name: NAME, user: spec.user }, spec.workdir, undefined)
  const asking = { waker: principal, found: sandbox, caller }
  const { pid } = await startProcess(controller, asking, { ...planned, stdin_open: false }).catch(refusedStart)
  await sleep(LIMITS.buildStartMs, undefined, { signal: caller }).catch(() => {})
  caller.throwIfAborted()
  const inside = { principal, reference: sandbox.id, caller }
  const { exit_code } = await readProcess(controller, inside, pid)
  if (exit_code === undefined || exit_code === 0) return
  const output = await readTail(controller, inside, { pid, lines: LIMITS.buildErrorLinesMax })
  log.add('stdout', null, output.trimEnd().split('\n'))
  throw new BuildFailure({
    code: 'start_failed',
    message: `The start command ended at once, with the exit code ${exit_code}.`,
    exit_code,
    output: output.slice(-LIMITS.buildErrorOutputCharsMax),
  })
}

function refusedStart(thrown: unknown): never {
  if (!(thrown instanceof AppError) || thrown.code !== 'process_not_started') throw thrown
  throw new BuildFailure({ code: 'start_failed', message: `The start command was not started: ${thrown.message}` })
}

async function becomeReady(work: Work, sandbox: SandboxRow, command: string): Promise<void> {
  const { controller, log, signal } = work
  const { user, workdir: cwd } = work.row.spec
  log.add('system', null, ['Waiting until it is ready.'])
  const until = controller.clock() + LIMITS.buildReadySecMax * MS_PER_SEC
  const limits = { step: null, timeoutMs: LIMITS.buildReadyTrySecMax * MS_PER_SEC }
  let last: OrderEnd | undefined
  do {
    last = await runOrder(work, sandbox, { argv: bash(command), user, cwd, env: {} }, limits)
    if (last.exit_code === 0) return
    await sleep(LIMITS.buildReadyTryMs, undefined, { signal }).catch(() => {})
    signal.throwIfAborted()
  } while (controller.clock() < until)
  throw new BuildFailure({
    code: 'not_ready',
    message: `The ready command did not succeed within ${LIMITS.buildReadySecMax} seconds.`,
    exit_code: last.exit_code,
    output: last.output,
  })
}
