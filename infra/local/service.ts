/**
 * A process of the local stack: started, watched, started again when it dies, stopped in order.
 *
 * Each has a process group of its own, so that Ctrl-C on the terminal reaches only the supervisor, which stops them in the
 * right order; and each is told by the kernel when the supervisor dies, so that even `kill -9` of it leaves nothing behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { shownPath } from './layout.ts'

export type ServiceSpec = {
  name: string
  /** A TypeScript file. */
  script: string
  /** Beside the environment of this process; an undefined one is left out. */
  env: Record<string, string | undefined>
  logFile: string
  /** What an orderly stop is, and what the kernel sends when the supervisor dies. */
  stopSignal: 'SIGTERM' | 'SIGUSR2'
  onChange: () => void
  log: (line: string) => void
}

const LOG_BYTES_MAX = 32 * 1024 * 1024
const RESTART_DELAY_MS = 100
const RESTART_DELAY_MS_MAX = 5_000
const STEADY_AFTER_MS = 10_000

export class Service {
  readonly name: string
  readonly #spec: ServiceSpec
  #child: ChildProcess | null = null
  #isStopping = false
  #exited: Promise<void> = Promise.resolve()
  #delayMs = RESTART_DELAY_MS

  constructor(spec: ServiceSpec) {
    this.name = spec.name
    this.#spec = spec
    this.#start()
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Ends the process and everything it answers for. Escalates to SIGKILL after `waitMs`. */
  async stop(waitMs: number): Promise<void> {
    this.#isStopping = true
    const child = this.#child
    if (child === null) return
    child.kill(this.#spec.stopSignal)
    const escalation = setTimeout(() => child.kill('SIGKILL'), waitMs)
    await this.#exited
    clearTimeout(escalation)
  }

  #start(): void {
    const { script, env, logFile, stopSignal } = this.#spec
    rotate(logFile)
    const log = openSync(logFile, 'a')
    const began = performance.now()
    const child = spawn('setpriv', ['--pdeathsig', stopSignal.slice(3), process.execPath, script], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    })
    closeSync(log)
    this.#child = child
    this.#exited = new Promise((resolve) => {
      child.once('error', () => resolve())
      child.once('exit', (code, signal) => {
        this.#child = null
        resolve()
        if (!this.#isStopping) void this.#restart(signal ?? `code ${code}`, performance.now() - began)
      })
    })
    this.#spec.onChange()
  }

  async #restart(reason: string, livedMs: number): Promise<void> {
    if (livedMs > STEADY_AFTER_MS) this.#delayMs = RESTART_DELAY_MS
    this.#spec.log(`${this.name} ended (${reason}) and is started again; its log is ${shownPath(this.#spec.logFile)}`)
    await sleep(this.#delayMs)
    this.#delayMs = Math.min(this.#delayMs * 2, RESTART_DELAY_MS_MAX)
    if (!this.#isStopping) this.#start()
  }
}

/** Keeps one older log, so that a service that fails for days does not fill the disk between two starts. */
function rotate(logFile: string): void {
  mkdirSync(dirname(logFile), { recursive: true })
  const bytes = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
  if (bytes > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.1`)
}
