/** A running embedded server: finding it by its own pid file, waiting until it answers, and stopping it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import { connectAlone, disconnect } from './connect.ts'

export type Running = { pid: number; socketDir: string }

export const SUPERUSER = 'atoll'
export const SOCKET_PORT = 5432
const POLL_MS = 20

export const urlOf = (socketDir: string, database: string): string =>
  `postgresql:///${database}?host=${encodeURIComponent(socketDir)}&port=${SOCKET_PORT}&user=${SUPERUSER}`

/**
 * The server that serves this data directory, or undefined when there is none. Its pid file may outlive it, its pid may belong
 * to something else by now, and a server that was just killed looks alive until it is reaped: only an answer on its socket counts.
 */
export async function findRunning(data: string): Promise<Running | undefined> {
  const until = Date.now() + LIMITS.databaseStartMs
  while (Date.now() < until) {
    const named = await readPidFile(data)
    if (named === undefined || !(await serves(named.pid, data))) return undefined
    if (await answers(named.socketDir)) return named
    await sleep(POLL_MS)
  }
  throw new Error(`A PostgreSQL server holds ${data} and does not answer; end it, and start again.`)
}

/** Waits for the server that was just started, until it answers or has ended. Says so when it does not answer in time. */
export async function untilServing(data: string, ended: AbortSignal): Promise<Running | string> {
  const until = Date.now() + LIMITS.databaseStartMs
  while (Date.now() < until && !ended.aborted) {
    const named = await readPidFile(data)
    if (named !== undefined && (await answers(named.socketDir))) return named
    await sleep(POLL_MS)
  }
  return 'it does not answer'
}

/** Fast shutdown: sessions end, what was committed is on disk. The next signal is for a server that does not listen. */
export async function stopServer(data: string, pid: number): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!(await serves(pid, data))) return
    process.kill(pid, signal)
    const until = Date.now() + LIMITS.databaseStartMs
    while (Date.now() < until) {
      if (!(await serves(pid, data))) return
      await sleep(POLL_MS)
    }
  }
}

export async function createDatabase(socketDir: string, name: string): Promise<void> {
  const client = connectAlone(urlOf(socketDir, 'postgres'))
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`)
  } finally {
    await disconnect(client)
  }
}

/** Line 1 is the pid, line 5 the directory of the socket. A file that is being written has fewer lines. */
async function readPidFile(data: string): Promise<Running | undefined> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  const socketDir = lines[4]?.trim()
  return pid > 1 && socketDir ? { pid, socketDir } : undefined
}

/** Whether this pid is the server of this directory: pids are used again, and a dead process that nobody has reaped has no command line. */
export async function serves(pid: number, data: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return commandLine.includes(`\0-D\0${data}\0`)
}

async function answers(socketDir: string): Promise<boolean> {
  const client = connectAlone(urlOf(socketDir, 'postgres'), LIMITS.databaseConnectMs)
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await disconnect(client)
  }
}
