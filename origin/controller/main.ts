/** A region's control plane: what should exist, and where. Each stage of the start gives the next what it needs, and knows its undo. */
import { randomBytes } from 'node:crypto'
import { readConfig } from './config.ts'
import { createLog, describeError } from './log.ts'
import { type RunningController, startController } from './start.ts'

const log = createLog((line) => process.stderr.write(line), Date.now)
let isStopping = false
// Whoever reads the log may go away; that must not end the control plane.
process.stderr.on('error', () => {})

const starting = startInEnvironment()

// Known from the first moment, so that nothing that was started is left behind by a start that was broken off.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal))
await starting

async function startInEnvironment(): Promise<RunningController> {
  try {
    return await startController(readConfig(), { log, random: randomBytes })
  } catch (err) {
    log('error', 'controller.not_started', { error: describeError(err) })
    process.exit(1)
  }
}

async function stop(signal: string): Promise<void> {
  // A supervisor that dies with several threads is told of by the kernel several times. Who cannot wait has SIGKILL.
  if (isStopping) return
  isStopping = true
  log('info', 'controller.stopping', { signal })
  await (await starting).stop()
  log('info', 'controller.stopped')
  process.exit(0)
}
