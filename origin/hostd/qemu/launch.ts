/** Starts a QEMU that outlives this daemon: a session of its own, no inherited pipe once it stands, its sockets listening. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { commandLine, type MachinePlan } from './command-line.ts'
import { Qmp } from './qmp.ts'

export type Launched = { pid: number; qmp: Qmp }

const STDERR_CHARS_MAX = 4_000
const CONNECT_EVERY_MS = 3

/** Throws AppError('boot_failed') with QEMU's own words in `detail`. A process that was started and failed is killed. */
export async function launch(program: string, plan: MachinePlan): Promise<Launched> {
  const child = spawn(program, commandLine(plan), {
    cwd: plan.directory,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = endOf(child)
  try {
    const qmp = await connect(plan.sockets.qmp, ended)
    const pid = child.pid
    if (pid === undefined) throw bootFailed('QEMU has no process id.')
    await preferAsVictim(pid)
    // From here on its complaints go nowhere (QEMU ignores SIGPIPE), so a guest cannot fill a file with them.
    child.stderr.destroy()
    child.unref()
    return { pid, qmp }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** Rejects when the process ends or cannot be started, with what it wrote to stderr; never resolves. */
function endOf(child: ChildProcess): Promise<never> {
  let words = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-STDERR_CHARS_MAX)
  })
  const ended = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(bootFailed(error.message)))
    child.once('exit', (code, signal) => reject(bootFailed(`QEMU ended with ${code ?? signal}: ${words.trim()}`)))
  })
  // It may well end long after everybody stopped listening.
  ended.catch(() => {})
  return ended
}

async function connect(path: string, ended: Promise<never>): Promise<Qmp> {
  const deadline = performance.now() + LIMITS.qmpTimeoutMs
  for (;;) {
    const qmp = await Promise.race([Qmp.connect(path).catch(() => null), ended])
    if (qmp !== null) return qmp
    if (performance.now() > deadline) throw bootFailed('QEMU did not open its control socket in time.')
    await sleep(CONNECT_EVERY_MS)
  }
}

/** When the machine runs out of memory the kernel should take a sandbox, not the daemon or the database. */
async function preferAsVictim(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/oom_score_adj`, '900').catch(() => {})
}

const bootFailed = (detail: string): AppError =>
  new AppError('boot_failed', 'The machine of this sandbox could not be started.', { detail })
