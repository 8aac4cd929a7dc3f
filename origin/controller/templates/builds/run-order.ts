/** Runs one command of a build in its sandbox, and writes down what it says while it says it. */
import type { ExecExit } from '../../../../shared/contracts/guest.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { SandboxRow } from '../../database/schema/sandboxes.ts'
import { hostOf } from '../../sandboxes/lose-sandbox.ts'
import { createLineCutter } from './cut-lines.ts'
import type { Order } from './plan-steps.ts'
import { Interrupted } from './trouble.ts'
import type { Work } from './work.ts'

/** `output` is the last of what it said. */
export type OrderEnd = Pick<ExecExit, 'exit_code' | 'reason'> & { output: string }
export type Limits = { step: number | null; timeoutMs: number }

/** Throws why the work has to end, if it has to, and Interrupted when its sandbox was lost. */
export async function runOrder(work: Work, sandbox: SandboxRow, order: Order, limits: Limits): Promise<OrderEnd> {
  const { controller, log, signal } = work
  const cutters = { stdout: createLineCutter(), stderr: createLineCutter() }
  let output = ''
  const say = (stream: 'stdout' | 'stderr', lines: string[]): void => {
    log.add(stream, limits.step, lines)
    for (const line of lines) output = `${output}${line}\n`.slice(-LIMITS.buildErrorOutputCharsMax)
  }
  const outcome = await hostOf(controller, sandbox).exec(
    sandbox.id,
    { ...order, timeout_ms: limits.timeoutMs, output_bytes_max: LIMITS.buildLogBytesMax },
    signal,
    { onOutput: (stream, bytes) => say(stream, cutters[stream].push(bytes)) },
  )
  for (const stream of ['stdout', 'stderr'] as const) say(stream, cutters[stream].end())
  signal.throwIfAborted()
  if (outcome.kind !== 'ran') throw new Interrupted(outcome.error.message, { cause: outcome.error })
  if (outcome.exit === null) throw new Interrupted('The host did not say how the command ended.')
  return { ...outcome.exit.facts, output }
}
