/** A controller as a process of its own on a database that others use, too: to be killed at any moment and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { HostDouble } from './host-double.ts'
import { INTERNAL, PEPPER } from './region.ts'

export type SpawnedController = {
  /** Undefined while it does not answer. */
  url: string | undefined
  pid: number | undefined
  /** The last lines of its log, over all its lives. */
  said: string[]
  kill(): Promise<void>
  /** Resolves when it listens. */
  start(): Promise<void>
}

const LINES_MAX = 2_000
const MAIN = fileURLToPath(new URL('../../../../origin/controller/main.ts', import.meta.url))

/** `settings` are laid over the usual ones. */
export function spawnController(
  databaseUrl: string,
  hosts: Pick<HostDouble, 'name' | 'socketPath'>[],
  main = MAIN,
  settings: Record<string, string> = {},
): SpawnedController {
  let child: ChildProcess | undefined
  const env = {
    ATOLL_REGION: 'usw1',
    ATOLL_REGION_NAME: 'us-west',
    ATOLL_LISTEN: '127.0.0.1:0',
    DATABASE_URL: databaseUrl,
    ATOLL_HOSTS: hosts.map(({ name, socketPath }) => `${name}=unix:${socketPath}`).join(','),
    ATOLL_KEY_PEPPER: PEPPER,
    ATOLL_INTERNAL_TOKEN: INTERNAL,
    ...settings,
  }
  const self: SpawnedController = {
    url: undefined,
    pid: undefined,
    said: [],
    async kill() {
      const ending = child
      self.url = undefined
      if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
      const ended = new Promise((resolve) => ending.once('exit', resolve))
      ending.kill('SIGKILL')
      await ended
    },
    async start() {
      const started = spawn(process.execPath, [main], { stdio: ['ignore', 'ignore', 'pipe'], env })
      child = started
      self.pid = started.pid
      const { said } = self
      await new Promise<void>((resolve, reject) => {
        started.once('exit', (code, signal) => {
          if (signal === 'SIGKILL') resolve()
          else reject(new Error(`The controller ended with ${code}:\n${said.slice(-20).join('\n')}`))
        })
        createInterface({ input: started.stderr }).on('line', (line) => {
          said.push(line)
          if (said.length > LINES_MAX) said.shift()
          const { event, host, port } = JSON.parse(line) as { event?: string; host?: string; port?: number }
          if (event !== 'controller.listening') return
          self.url = `http://${host}:${port}`
          resolve()
        })
      })
    },
  }
  return self
}
