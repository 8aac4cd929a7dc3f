/**
 * A real PostgreSQL server out of npm, for a region on one machine: unix socket only, fsync on, its data under one directory.
 *
 * The server is a process of its own and outlives a controller that is killed; the next controller adopts it. The package's own
 * launcher is not used, because it ends the server from an exit hook of ours and cannot adopt one.
 */
import { execFile, spawn } from 'node:child_process'
import { chmod, chown, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { LIMITS } from '../../../shared/limits.ts'
import type { Log } from '../log.ts'
import { findBinaries } from './embedded-binaries.ts'
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

const run = promisify(execFile)

export type EmbeddedServer = { url: string; stop(): Promise<void> }

const DATABASE = 'atoll'
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

/** Starts the server, or adopts the one that already serves this data directory. `runDir` must be short: sockets live there. */
export async function startEmbedded(where: { dataDir: string; runDir: string }, log: Log): Promise<EmbeddedServer> {
  const data = join(where.dataDir, 'postgres')
  const adopted = await findRunning(data)
  const server = adopted ?? (await launch(data, where.runDir))
  log('info', adopted === undefined ? 'database.started' : 'database.adopted', { pid: server.pid })
  await createDatabase(server.socketDir, DATABASE)
  return { url: urlOf(server.socketDir, DATABASE), stop: () => stopServer(data, server.pid) }
}

async function launch(data: string, runDir: string): Promise<Running> {
  const socketDir = join(runDir, 'postgres')
  if (Buffer.byteLength(join(socketDir, `.s.PGSQL.${SOCKET_PORT}`)) > LIMITS.unixPathBytesMax)
    throw new Error(`ATOLL_RUN_DIR is too long for a unix socket: ${runDir}`)
  const binaries = await findBinaries()
  for (const directory of [data, socketDir]) await mkdir(directory, { recursive: true })
  const owner = await chooseOwner([dirname(binaries.postgres), dirname(data), dirname(socketDir)])
  for (const directory of [data, socketDir]) await giveTo(owner, directory)
  await initialiseOnce(owner, binaries.initdb, data)

  const [command, ...args] = owner.as([
    binaries.postgres,
    ...['-D', data, '-p', String(SOCKET_PORT), '-k', socketDir],
    ...SETTINGS.flatMap((setting) => ['-c', setting]),
  ])
  const words = await open(join(runDir, 'postgres.log'), 'w')
  // A session of its own: Ctrl-C in the terminal must not end the database before its controller has drained.
  const child = spawn(command, args, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', words.fd, words.fd],
    env: { LC_ALL: 'C', PATH },
  })
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? code}`))
    child.once('error', (err) => resolve(err.message))
  })
  child.unref()
  await words.close()
  const outcome = await Promise.race([ended, untilServing(data)])
  if (typeof outcome === 'string')
    throw new Error(`PostgreSQL did not start: ${outcome}. Its words are in ${runDir}/postgres.log`)
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
