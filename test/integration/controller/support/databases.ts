/** The two servers that every promise is held on: the one out of npm, and Debian's PostgreSQL 15. Each is real and on a unix socket. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { chmod, chown } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startEmbedded } from '../../../../origin/controller/database/embedded.ts'
import { chooseOwner } from '../../../../origin/controller/database/embedded-owner.ts'

export type TestServer = {
  /** A fresh, empty database. */
  createDatabase(): Promise<string>
  /** As when the machine of the database goes away, and comes back. */
  stop(): Promise<void>
  start(): Promise<void>
  remove(): Promise<void>
}
export type Driver = { name: string; open(): Promise<TestServer> }

const DEBIAN_BIN = '/usr/lib/postgresql/15/bin'

export const embedded: Driver = {
  name: 'embedded PostgreSQL',
  async open() {
    const directory = mkdtempSync(join(tmpdir(), 'atoll-pg-'))
    await chmod(directory, 0o755)
    const where = { dataDir: directory, runDir: directory }
    let server = await startEmbedded(where, () => {})
    return {
      createDatabase: () => createDatabase(server.url),
      stop: () => server.stop(),
      start: async () => {
        server = await startEmbedded(where, () => {})
      },
      remove: async () => {
        await server.stop()
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

export const debian15: Driver = {
  name: 'Debian PostgreSQL 15',
  async open() {
    if (!existsSync(DEBIAN_BIN)) throw new Error('Install PostgreSQL 15 for this test: apt-get install postgresql-15')
    const directory = mkdtempSync(join(tmpdir(), 'atoll-pg15-'))
    await chmod(directory, 0o755)
    const data = join(directory, 'data')
    mkdirSync(data)
    const owner = await chooseOwner([directory])
    if (owner.files !== null) await chown(data, owner.files.uid, owner.files.gid)
    if (owner.files !== null) await chown(directory, owner.files.uid, owner.files.gid)
    const [initdb, ...initArgs] = owner.as([
      `${DEBIAN_BIN}/initdb`,
      '-D',
      data,
      '-U',
      'atoll',
      '-A',
      'trust',
      '-E',
      'UTF8',
    ])
    execFileSync(initdb, initArgs, { stdio: 'ignore' })
    const url = `postgresql:///postgres?host=${encodeURIComponent(directory)}&port=5432&user=atoll`
    const start = async (): Promise<void> => {
      const [command, ...args] = owner.as([
        `${DEBIAN_BIN}/postgres`,
        '-D',
        data,
        '-k',
        directory,
        '-c',
        'listen_addresses=',
      ])
      spawn(command, args, { stdio: 'ignore', detached: true }).unref()
      await untilItAnswers(url)
    }
    const stop = async (): Promise<void> => {
      const file = join(data, 'postmaster.pid')
      if (!existsSync(file)) return
      process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), 'SIGINT')
      while (existsSync(file)) await sleep(20)
    }
    await start()
    return {
      createDatabase: () => createDatabase(url),
      stop,
      start,
      remove: async () => {
        await stop()
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

let databases = 0

async function createDatabase(url: string): Promise<string> {
  const name = `test_${process.pid}_${databases++}`
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  return url.replace(/\/\/\/[^?]*/, `///${name}`)
}

async function untilItAnswers(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return
    } catch (err) {
      if (tries > 3_000) throw err
      await sleep(20)
    }
  }
}
