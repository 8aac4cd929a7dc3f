/** The whole local stack, started as a person starts it, on free ports and in a state folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DevFile } from '../../infra/local/dev-file.ts'
import { REPOSITORY } from '../../infra/local/layout.ts'
import { freePorts } from './free-ports.ts'

const START_WAIT_MS = 280_000
const STOP_WAIT_MS = 150_000

export type LocalStack = {
  stateDir: string
  runDir: string
  /** What the stack printed so far. */
  output: () => string
  /** `.atoll/dev.json` as it is now: process ids change when a service is started again. */
  dev: () => DevFile
  /** Ctrl-C. Resolves with the exit code once the process is gone. */
  stop: () => Promise<number | null>
}

/** Starts a stack; give the `stateDir` of an earlier one to start that again. `env` overrides its settings. */
export async function startLocalStack(
  options: { stateDir?: string; env?: Record<string, string> } = {},
): Promise<LocalStack> {
  const stateDir = options.stateDir ?? mkdtempSync(`${tmpdir()}/stack-`)
  await chmod(stateDir, 0o755)
  const runDir = `${stateDir}/run`
  const ports = await freePorts(3)
  const child = spawn(process.execPath, [`${REPOSITORY}/infra/local/start.ts`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ATOLL_STATE_DIR: stateDir,
      ATOLL_RUN_DIR: runDir,
      ATOLL_EDGE_PORT: String(ports[0]),
      ATOLL_USW1_PORT: String(ports[1]),
      ATOLL_EU1_PORT: String(ports[2]),
      ...options.env,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const stack: LocalStack = {
    stateDir,
    runDir,
    output: () => output,
    dev: () => JSON.parse(readFileSync(`${stateDir}/dev.json`, 'utf8')) as DevFile,
    stop: () => stop(child),
  }
  try {
    await waitFor('the local stack', START_WAIT_MS, () => {
      if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}:\n${output}`)
      return output.includes('Ctrl-C stops everything')
    })
  } catch (thrown) {
    await stack.stop()
    throw new Error(`${(thrown as Error).message}\n${output}`)
  }
  return stack
}

/** Forgets a stack that was stopped. */
export async function removeStack(stack: LocalStack): Promise<void> {
  await rm(stack.stateDir, { recursive: true, force: true })
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  const escalation = setTimeout(() => child.kill('SIGKILL'), STOP_WAIT_MS)
  const code = await exited
  clearTimeout(escalation)
  return code
}

/** Waits until `isDone` says so; fails with what was waited for. */
export async function waitFor(what: string, waitMs: number, isDone: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + waitMs
  while (!(await isDone())) {
    if (performance.now() > deadline) throw new Error(`Waited ${waitMs} ms in vain for ${what}.`)
    await sleep(50)
  }
}
