/** The controller as a real process with its embedded database, to be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { hashKey } from '../../../../origin/controller/accounts/secrets.ts'
import { startEmbedded } from '../../../../origin/controller/database/embedded.ts'
import { SCOPES } from '../../../../shared/accounts.ts'
import { newApiKey } from '../../../../shared/ids.ts'
import type { HostDouble } from './host-double.ts'
import { PEPPER } from './region.ts'

export type ControllerProcess = {
  url: string
  key: string
  pid: number
  databaseUrl: string
  databasePid: number
  instance: number
  events: string[]
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  /** Keeps the locks of a statement until it is told to let go. */
  hold(text: string, values: unknown[]): Promise<() => Promise<void>>
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  start(changes?: Record<string, string>): Promise<void>
  remove(): Promise<void>
}

const DATABASE_EVENTS = new Set(['database.started', 'database.adopted', 'database.restarted'])
const MAIN = fileURLToPath(new URL('../../../../origin/controller/main.ts', import.meta.url))

export async function startControllerProcess(
  ...hosts: Pick<HostDouble, 'name' | 'socketPath'>[]
): Promise<ControllerProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-c-'))
  await chmod(directory, 0o755)
  const key = newApiKey('test', randomBytes(32))
  const seedFile = join(directory, 'seed.json')
  writeFileSync(seedFile, JSON.stringify(seedOf(key)))
  let child: ChildProcess | undefined

  const self: ControllerProcess = {
    url: '',
    key,
    pid: 0,
    databaseUrl: `postgresql:///atoll?host=${encodeURIComponent(join(directory, 'postgres-run', 'postgres'))}&port=5432&user=atoll`,
    databasePid: 0,
    instance: 0,
    events: [],
    async sql(text, values = []) {
      const client = new pg.Client({ connectionString: self.databaseUrl })
      await client.connect()
      try {
        return (await client.query(text, values)).rows
      } finally {
        await client.end()
      }
    },
    async hold(text, values) {
      const client = new pg.Client({ connectionString: self.databaseUrl })
      await client.connect()
      await client.query('begin')
      await client.query(text, values)
      return () => client.end()
    },
    async kill(signal) {
      const ending = child
      if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
      const ended = new Promise((resolve) => ending.once('exit', resolve))
      ending.kill(signal)
      await ended
    },
    async start(changes = {}) {
      self.events = []
      const started = spawn(process.execPath, [MAIN], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ATOLL_REGION: 'usw1',
          ATOLL_REGION_NAME: 'us-west',
          ATOLL_LISTEN: '127.0.0.1:0',
          ATOLL_DATA_DIR: directory,
          ATOLL_RUN_DIR: join(directory, 'postgres-run'),
          ATOLL_HOSTS: hosts.map(({ name, socketPath }) => `${name}=unix:${socketPath}`).join(','),
          ATOLL_KEY_PEPPER: PEPPER,
          ATOLL_INTERNAL_TOKEN: 'an-internal-token-of-tests',
          ATOLL_SEED_FILE: seedFile,
          ...changes,
        },
      })
      child = started
      self.pid = started.pid ?? 0
      await new Promise<void>((resolve, reject) => {
        started.once('exit', (code) =>
          reject(new Error(`The controller ended with ${code}: ${self.events.join('\n')}`)),
        )
        createInterface({ input: started.stderr }).on('line', (line) => {
          self.events.push(line)
          const { event, pid, host: address, port, instance } = JSON.parse(line) as Record<string, string | number>
          if (DATABASE_EVENTS.has(String(event))) self.databasePid = Number(pid)
          if (event !== 'controller.listening') return
          self.instance = Number(instance)
          self.url = `http://${address}:${port}`
          resolve()
        })
      })
    },
    async remove() {
      await self.kill('SIGKILL')
      // Whatever the test did, no server may outlive it: it is adopted once more, and stopped.
      const where = { dataDir: directory, runDir: join(directory, 'postgres-run') }
      await (await startEmbedded(where, () => {})).stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  await self.start()
  return self
}

const seedOf = (key: string) => ({
  tenants: [{ id: 'acme', name: 'Acme', tier: 'scale' }],
  keys: [
    {
      hash: hashKey(PEPPER, key),
      id: 'key_1',
      tenant: 'acme',
      tier: 'scale',
      scopes: [...SCOPES],
      status: 'active',
      expires: null,
      keyVersion: 1,
    },
  ],
})
