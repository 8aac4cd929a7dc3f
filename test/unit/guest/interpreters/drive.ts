/** A driver of one language as the agent runs it, but on this machine: its streams, and its channel on descriptor 3. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const DRIVERS = new URL('../../../../origin/guest/interpreters/', import.meta.url).pathname

type Language = 'python' | 'javascript' | 'bash'

const COMMANDS: Record<Language, [string, string[]]> = {
  python: ['python3', [join(DRIVERS, 'python/main.py')]],
  javascript: [process.execPath, ['--expose-internals', join(DRIVERS, 'javascript/driver.mjs')]],
  bash: ['bash', ['--norc', '--noprofile', join(DRIVERS, 'bash/driver.sh')]],
}

type Result = { text: string; is_main_result: boolean; is_truncated: boolean } & Record<string, unknown>
type Failure = { name: string; value: string; traceback: string[] }
export type Called = { results: Result[]; error: Failure | null; exitCode: number; stdout: string; stderr: string }
export type Surroundings = {
  env?: Record<string, string>
  environment?: Record<string, string>
  cwd?: string
  draws_anew?: boolean
}

const [RESULT, ERROR, DONE] = [1, 2, 3]
const HEADER_BYTES = 5
/** What the driver wrote before it said that it was done is in the pipe already. */
const PIPE_PAUSE_MS = 20
const CALL_MS_MAX = 120_000

export class Driver {
  readonly language: Language
  readonly folder = mkdtempSync(join(tmpdir(), 'atoll-driver-'))
  readonly process: ChildProcess
  readonly exited: Promise<number | null>
  stdout = ''
  stderr = ''
  #channel: Socket
  #count = 0
  #held = Buffer.alloc(0)
  #results: Result[] = []
  #error: Failure | null = null
  #done: (exitCode: number) => void = () => {}

  constructor(language: Language) {
    this.language = language
    const [program, args] = COMMANDS[language]
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
    // A group of its own, as the agent gives it: an interrupt is for all of it.
    this.process = spawn(program, args, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env,
    })
    this.#channel = this.process.stdio[3] as Socket
    this.#channel.on('data', (chunk: Buffer) => this.#take(chunk)).on('error', () => {})
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exited = new Promise((resolve) => this.process.once('exit', resolve))
  }

  async run(code: string, { env = {}, environment = {}, cwd, draws_anew = false }: Surroundings = {}): Promise<Called> {
    this.stdout = this.stderr = ''
    this.#results = []
    this.#error = null
    this.#count += 1
    const finished = new Promise<number>((resolve) => {
      this.#done = resolve
    })
    if (this.language === 'bash') this.#channel.write(`${code}\0`)
    else this.#send({ code, count: this.#count, env, environment, cwd: cwd ?? null, draws_anew })
    const exitCode = await this.#within(finished, code)
    await sleep(PIPE_PAUSE_MS)
    return { results: this.#results, error: this.#error, exitCode, stdout: this.stdout, stderr: this.stderr }
  }

  interrupt(): void {
    process.kill(-(this.process.pid ?? 0), 'SIGINT')
  }

  /** Everything that the driver has started, too. */
  async end(): Promise<void> {
    try {
      process.kill(-(this.process.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
    await this.exited
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #within(finished: Promise<number>, code: string): Promise<number> {
    const late = new AbortController()
    const lateness = sleep(CALL_MS_MAX, undefined, { signal: late.signal, ref: false }).then(() => {
      throw new Error(`No end of: ${code}\n${this.stdout}${this.stderr}`)
    })
    lateness.catch(() => {})
    return Promise.race([finished, lateness]).finally(() => late.abort())
  }

  #send(call: unknown): void {
    const body = Buffer.from(JSON.stringify(call))
    const header = Buffer.from([1, 0, 0, 0, 0])
    header.writeUInt32BE(body.length, 1)
    this.#channel.write(Buffer.concat([header, body]))
  }

  #take(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk])
    while (this.#held.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#held.readUInt32BE(1)
      if (this.#held.length < end) return
      const kind = this.#held[0]
      const message = JSON.parse(this.#held.subarray(HEADER_BYTES, end).toString())
      this.#held = this.#held.subarray(end)
      if (kind === RESULT) this.#results.push(message)
      if (kind === ERROR) this.#error = message
      if (kind === DONE) this.#done(message.exit_code)
    }
  }
}
