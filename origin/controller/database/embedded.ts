/**
 * A real PostgreSQL server out of npm, for a region on one machine: unix socket only, fsync on, its data under one directory.
 *
 * The server is a process of its own and outlives a controller that is killed; the next controller adopts it. One that ends while
 * its controller lives is started again. The package's own launcher is not used, because it ends the server from an exit hook of
 * ours and cannot adopt one.
 */
import { execFile, spawn } from 'node:child_process'
import { chmod, chown, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { LIMITS } from '../../../shared/limits.ts'
import type { Log } from '../log.ts'
import { type Binaries, findBinaries } from './embedded-binaries.ts'
import { chooseOwner, type Owner } from './embedded-owner.ts'
import {
  createDatabase,
  findRunning,
  type Running,
  SOCKET_PORT,
  SUPERUSER,
  stopServer,
  untilServing,
  urlOf,
} from './embedded-server.ts'
import { keepServing } from './embedded-watch.ts'

const run = promisify(execFile)

export type EmbeddedServer = { url: string; stop(): Promise<void> }

export const EMBEDDED_DATABASE = 'atoll'
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const SETTINGS = [
  'listen_addresses=',
  'max_connections=100',
  'fsync=on',
  'synchronous_commit=on',
  'logging_collector=off',
  'log_min_messages=warning',
  'log_min_error_statement=panic',
]

type Place = { data: string; socketDir: string; words: string }

/** Starts the server, or adopts the one that already serves this data directory. `runDir` must be short: sockets live there. */
export async function startEmbedded(where: { dataDir: string; runDir: string }, log: Log): Promise<EmbeddedServer> {
  const data = join(where.dataDir, 'postgres')
  const adopted = await findRunning(data)
  // Started again, it listens where its clients know it, even if its first controller chose another place than we would.
  const socketDir = adopted?.socketDir ?? join(where.runDir, 'postgres')
  const place: Place = { data, socketDir, words: join(where.runDir, 'postgres.log') }
  const server = adopted ?? (await launchFirst(place))
  log('info', adopted === undefined ? 'database.started' : 'database.adopted', { pid: server.pid })
  await createDatabase(socketDir, EMBEDDED_DATABASE)
  const watch = keepServing(server, data, async () => (await findRunning(data)) ?? (await launch(place)), log)
  return {
    url: urlOf(socketDir, EMBEDDED_DATABASE),
    stop: async () => stopServer(data, (await watch.stop()).pid),
  }
}

/** Only here is a database made. One that has lost its files must not come back empty and call itself the same. */
async function launchFirst(place: Place): Promise<Running> {
  await mkdir(place.data, { recursive: true })
  const { owner, binaries } = await meansOf(place)
  await giveTo(owner, place.data)
  await initialiseOnce(owner, binaries.initdb, place.data)
  // The processes of one that was just killed hold its memory for a moment, and it cannot be started while they do.
  const until = Date.now() + LIMITS.databaseConnectMs
  for (;;) {
    try {
      return await launch(place)
    } catch (err) {
      if (Date.now() > until) throw err
      await sleep(LIMITS.databaseWatchMs)
    }
  }
}

async function meansOf({ data, socketDir }: Place): Promise<{ binaries: Binaries; owner: Owner }> {
  if (Buffer.byteLength(join(socketDir, `.s.PGSQL.${SOCKET_PORT}`)) > LIMITS.unixPathBytesMax)
    throw new Error(`ATOLL_RUN_DIR is too long for a unix socket: ${dirname(socketDir)}`)
  const binaries = await findBinaries()
  await mkdir(socketDir, { recursive: true })
  return { binaries, owner: await chooseOwner([dirname(binaries.postgres), dirname(data), dirname(socketDir)]) }
}

async function launch(place: Place): Promise<Running> {
  const { data, socketDir } = place
  const { binaries, owner } = await meansOf(place)
  await giveTo(owner, socketDir)

  const [command, ...args] = owner.as([
    binaries.postgres,
    ...['-D', data, '-p', String(SOCKET_PORT), '-k', socketDir],
    ...SETTINGS.flatMap((setting) => ['-c', setting]),
  ])
  const words = await open(place.words, 'w')
  // A session of its own: Ctrl-C in the terminal must not end the database before its controller has drained.
  const child = spawn(command, args, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', words.fd, words.fd],
    env: { LC_ALL: 'C', PATH },
  })
  const over = new AbortController()
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? code}`))
    child.once('error', (err) => resolve(err.message))
  }).finally(() => over.abort())
  child.unref()
  await words.close()
  const outcome = await Promise.race([ended, untilServing(data, over.signal)])
  if (typeof outcome === 'string')
    throw new Error(`PostgreSQL did not start: ${outcome}. Its words are in ${place.words}`)
  return outcome
}

async function giveTo(owner: Owner, directory: string): Promise<void> {
  if (owner.files !== null) await chown(directory, owner.files.uid, owner.files.gid)
  await chmod(directory, 0o700)
}

/** The socket's directory is open to nobody but the server's user and root, so that a password would add nothing. */
async function initialiseOnce(owner: Owner, initdb: string, data: string): Promise<void> {
  const [test, ...file] = owner.as(['test', '-e', join(data, 'PG_VERSION')])
  const done = await run(test, file).then(
    () => true,
    () => false,
  )
  if (done) return
  const [command, ...args] = owner.as([initdb, '-D', data, '-U', SUPERUSER, '-A', 'trust', '-E', 'UTF8', '--locale=C'])
  await run(command, args, { cwd: '/' })
}
