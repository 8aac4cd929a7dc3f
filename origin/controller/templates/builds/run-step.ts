/** Does one step of a build: its commands, one after the other, until one fails. */
import { LIMITS } from '../../../../shared/limits.ts'
import type { SandboxRow } from '../../database/schema/sandboxes.ts'
import type { PlannedStep } from './plan-steps.ts'
import { type OrderEnd, runOrder } from './run-order.ts'
import { BuildFailure } from './trouble.ts'
import type { Work } from './work.ts'

const MS_PER_SEC = 1_000

/** Throws BuildFailure with the output of the command that failed. */
export async function runStep(work: Work, sandbox: SandboxRow, step: PlannedStep): Promise<void> {
  const { log, controller } = work
  const beganMs = controller.clock()
  const sinceMs = (): number => Math.max(0, Math.round(controller.clock() - beganMs))
  log.add('system', step.index, [`Step ${step.index}: ${firstLine(step.name)}`])
  await work.noteStep(step.index, { state: 'running' })
  for (const order of step.orders) {
    const leftMs = LIMITS.buildStepSecMax * MS_PER_SEC - sinceMs()
    const end = await runOrder(work, sandbox, order, { step: step.index, timeoutMs: Math.max(1, leftMs) })
    if (end.exit_code === 0 && end.reason === 'exit') continue
    await work.noteStep(step.index, { state: 'failed', exit_code: end.exit_code, duration_ms: sinceMs() })
    throw failureOf(step, end)
  }
  await work.noteStep(step.index, { state: 'done', exit_code: 0, duration_ms: sinceMs() })
}

function failureOf({ index, name }: PlannedStep, { exit_code, reason, output }: OrderEnd): BuildFailure {
  const what = `Step ${index} (${firstLine(name)})`
  return reason === 'timeout'
    ? new BuildFailure({
        code: 'step_timeout',
        message: `${what} took longer than ${LIMITS.buildStepSecMax} seconds.`,
        step: index,
        exit_code,
        output,
      })
    : new BuildFailure({
        code: 'step_failed',
        message: `${what} ended with the exit code ${exit_code}.`,
        step: index,
        exit_code,
        output,
      })
}

const firstLine = (name: string): string => name.split('\n', 1)[0] ?? name
