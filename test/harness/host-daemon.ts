/** A real host daemon in directories of its own, with real machines; whatever it started is gone after `stop`, also when it was killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { buildImage } from '../../infra/image/build.ts'
import { findMachines, killMachine } from '../../origin/hostd/qemu/processes.ts'
import { type HostCapacity, hostCapacity, type VmInventory, vmInventory } from '../../shared/contracts/host.ts'
import { type Frame, FrameDecoder } from '../../shared/frames.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cache = process.env.ATOLL_CACHE_DIR ?? join(root, '.atoll/cache')
const START_MS = 120_000
const POOL_MS = 120_000
const EVERY_MS = 50

/** The directory of the guest image, built once. */
export const imageOfTests = (): Promise<string> => buildImage({ cacheDir: join(cache, 'images'), log: () => {} })

export type Answer = { status: number; body: string }
export type Stream = Answer & { frames: Frame[]; ms: number }

/** Where a daemon runs and keeps its state, when that is not beside everything else. */
export type Place = {
  /** What its command line begins with. */
  through: string[]
  /** The directory as the daemon names it, and as the test sees it. */
  stateDir: string
  seenStateDir: string
}

export class Daemon {
  readonly directory: string
  /** The daemon's state, as the test sees it. */
  readonly stateDir: string
  readonly #through: string[]
  readonly #environment: Record<string, string>
  readonly #client: Pool
  #child: ChildProcess | null = null
  #log = ''

  private constructor(directory: string, environment: Record<string, string>, place?: Place) {
    this.directory = directory
    this.stateDir = place?.seenStateDir ?? `${directory}/state`
    this.#through = place?.through ?? []
    this.#environment = environment
    this.#client = new Pool('http://host', { socketPath: `${directory}/hostd.sock`, bodyTimeout: 120_000 })
  }

  /** A daemon that answers. `settings` go over the defaults: no pool, software emulation, templates cached for later runs. */
  static async start(settings: Record<string, string> = {}, place?: Place): Promise<Daemon> {
    const imageDir = await imageOfTests()
    const directory = await mkdtemp(`${tmpdir()}/host-`)
    // Machines run under users of their own.
    await chmod(directory, 0o755)
    const environment = {
      ATOLL_HOSTD_SOCKET: `${directory}/hostd.sock`,
      ATOLL_STATE_DIR: place?.stateDir ?? `${directory}/state`,
      ATOLL_RUN_DIR: `${directory}/run`,
      ATOLL_IMAGE_DIR: imageDir,
      ATOLL_TEMPLATE_DIR: join(cache, 'templates'),
      ATOLL_ACCEL: 'tcg',
      ATOLL_POOL: '',
      ATOLL_POOL_MEMORY_MIB: '0',
      ATOLL_SHELLS: '0',
      ...settings,
    }
    const daemon = new Daemon(directory, environment, place)
    await daemon.launch().catch(async (error) => {
      await daemon.stop()
      throw error
    })
    return daemon
  }

  /** Starts the process, after `start` for the first time or after it has ended, and waits until it answers. `settings` hold from now on. */
  async launch(settings: Record<string, string> = {}): Promise<void> {
    Object.assign(this.#environment, settings)
    // A test that is killed takes its daemon along, and that its machines.
    const daemon = ['setpriv', '--pdeathsig', 'INT', process.execPath, join(root, 'origin/hostd/main.ts')]
    const [program = '', ...rest] = [...this.#through, ...daemon]
    const child = spawn(program, rest, {
      env: { PATH: process.env.PATH, ...this.#environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text
    })
    this.#child = child
    await this.until('the daemon answers', START_MS, async () => {
      if (child.exitCode !== null) throw new Error(`The daemon ended with ${child.exitCode}.\n${this.#log}`)
      return (await this.send('GET', '/v1/capacity').catch(() => null))?.status === 200
    })
  }

  /** Everything that it said so far. */
  get log(): string {
    return this.#log
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Null while it runs. */
  get exitCode(): number | null {
    return this.#child?.exitCode ?? null
  }

  /** Sends a signal and waits for the end of the process. */
  async signal(name: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGUSR2'): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(name)
    await ended
  }

  async send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    const answer = await this.#client.request({ method, path, body: body === undefined ? null : JSON.stringify(body) })
    return { status: answer.statusCode, body: await answer.body.text() }
  }

  async stream(path: string, body: unknown): Promise<Stream> {
    const sinceMs = performance.now()
    const answer = await this.#client.request({ method: 'POST', path, body: JSON.stringify(body) })
    const bytes = new Uint8Array(await answer.body.arrayBuffer())
    const ms = performance.now() - sinceMs
    const frames = answer.statusCode === 200 ? new FrameDecoder().push(bytes) : []
    return { status: answer.statusCode, body: new TextDecoder().decode(bytes), frames, ms }
  }

  /** Sends a request and hangs up after `ms`, whatever was answered by then. */
  async hangUp(path: string, body: unknown, ms: number): Promise<void> {
    const signal = AbortSignal.timeout(ms)
    const request = { method: 'POST', path, body: JSON.stringify(body), signal } as const
    await this.#client
      .request(request)
      .then((answer) => answer.body.arrayBuffer())
      .catch(() => {})
  }

  async capacity(): Promise<HostCapacity> {
    return hostCapacity.parse(JSON.parse((await this.send('GET', '/v1/capacity')).body))
  }

  async inventory(): Promise<VmInventory> {
    return vmInventory.parse(JSON.parse((await this.send('GET', '/v1/vms')).body))
  }

  async untilPooled(key: string, count: number): Promise<void> {
    await this.until(`${count} machines of ${key} are pooled`, POOL_MS, async () => {
      return (await this.capacity()).pool[key] === count
    })
  }

  /** Fails with what was waited for and the daemon's log. */
  async until(what: string, waitMs: number, isTrue: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + waitMs
    while (!(await isTrue())) {
      if (performance.now() > deadline) throw new Error(`Waited ${waitMs} ms in vain until ${what}.\n${this.#log}`)
      await sleep(EVERY_MS)
    }
  }

  /** The QEMU processes that this daemon answers for. */
  machines(): ReturnType<typeof findMachines> {
    return findMachines(`${this.directory}/run`)
  }

  /** The sandbox's own QEMU, by the journal. */
  async machineOf(id: string): Promise<{ pid: number; name: string }> {
    for (const machine of await this.machines()) {
      const path = join(this.stateDir, 'machines', machine.name, 'record.json')
      const record = await readFile(path, 'utf8').catch(() => '')
      if (record.includes(`"${id}"`)) return machine
    }
    throw new Error(`No machine belongs to ${id}.`)
  }

  /** Everything that machines left on disk. */
  async leftovers(): Promise<string[]> {
    const directories = [join(this.stateDir, 'machines'), join(this.directory, 'run')]
    return (await Promise.all(directories.map((path) => readdir(path)))).flat()
  }

  async stop(): Promise<void> {
    await this.signal('SIGINT')
    await this.#client.close()
    await Promise.all((await this.machines()).map(killMachine))
    await rm(this.directory, { recursive: true, force: true })
  }
}
