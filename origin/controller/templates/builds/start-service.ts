/** Starts what runs in every sandbox of a template, and waits until it is ready: then the snapshot has it running. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../../shared/limits.ts'
import type { SandboxRow } from '../../database/schema/sandboxes.ts'
import { bash, type Order } from './plan-steps.ts'
import { type OrderEnd, runOrder } from './run-order.ts'
import { BuildFailure } from './trouble.ts'
import type { Work } from './work.ts'

const MS_PER_SEC = 1_000

/** In a session of its own, so that it outlives the command that starts it. One that ends at once was not started. */
const START = `
setsid /bin/bash -c "$1" </dev/null >>/tmp/start.log 2>&1 &
started=$!
sleep 1
kill -0 "$started" 2>/dev/null || wait "$started" || { status=$?; cat /tmp/start.log; exit "$status"; }`

/** Throws BuildFailure when it does not start, or does not become ready. */
export async function startService(work: Work, sandbox: SandboxRow): Promise<void> {
  const { startCmd, readyCmd } = work.row.spec
  if (startCmd !== null && startCmd !== undefined) await start(work, sandbox, startCmd)
  if (readyCmd !== null && readyCmd !== undefined) await becomeReady(work, sandbox, readyCmd)
}

const orderOf = ({ row: { spec } }: Work, argv: string[]): Order => ({
  argv,
  user: spec.user,
  cwd: spec.workdir,
  env: {},
})

async function start(work: Work, sandbox: SandboxRow, command: string): Promise<void> {
  work.log.add('system', null, ['Starting the start command.'])
  const order = orderOf(work, [...bash(START), 'start', command])
  const end = await runOrder(work, sandbox, order, { step: null, timeoutMs: LIMITS.buildReadyTrySecMax * MS_PER_SEC })
  if (end.exit_code === 0) return
  throw new BuildFailure({
    code: 'start_failed',
    message: `The start command ended at once, with the exit code ${end.exit_code}.`,
    exit_code: end.exit_code,
    output: end.output,
  })
}

async function becomeReady(work: Work, sandbox: SandboxRow, command: string): Promise<void> {
  const { controller, log, signal } = work
  log.add('system', null, ['Waiting until it is ready.'])
  const until = controller.clock() + LIMITS.buildReadySecMax * MS_PER_SEC
  let last: OrderEnd | undefined
  do {
    const order = orderOf(work, bash(command))
    last = await runOrder(work, sandbox, order, { step: null, timeoutMs: LIMITS.buildReadyTrySecMax * MS_PER_SEC })
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
