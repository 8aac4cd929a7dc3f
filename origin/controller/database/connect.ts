/** The pool of connections, bounded in number and in every wait, so that a database that is gone costs a caller seconds, not minutes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import { describeError, type Log } from '../log.ts'
import { isDatabaseGone } from './is-database-gone.ts'

export type Db = NodePgDatabase
export type Database = { pool: pg.Pool; db: Db; url: string; close(): Promise<void> }

export function openDatabase(url: string, log: Log): Database {
  const pool = new pg.Pool({
    ...connectionOptions(url),
    max: LIMITS.databaseConnectionsMax,
    idleTimeoutMillis: 0,
    statement_timeout: LIMITS.databaseStatementMs,
    query_timeout: LIMITS.databaseStatementMs + LIMITS.databaseConnectMs,
    idle_in_transaction_session_timeout: LIMITS.databaseStatementMs,
  })
  // Without a listener the loss of an idle connection would end the process.
  pool.on('error', (err) => log('warn', 'database.connection_lost', { error: describeError(err) }))
  // Nor may the loss of one that a transaction holds: its statement fails, and that is heard.
  pool.on('connect', (client) => client.on('error', () => {}))
  return { pool, db: Object.assign(drizzle(pool), { transaction: transactionOn(pool) }), url, close: () => pool.end() }
}

/**
 * drizzle's own transaction over a pool (0.45.4) forgets the connection when "begin" fails: each outage would cost connections
 * until none is left, and the pool could never end. This one gives back every connection, and none that was lost.
 */
function transactionOn(pool: pg.Pool): Db['transaction'] {
  return async (work, config) => {
    const client = await pool.connect()
    let isLost = false
    try {
      return await drizzle(client).transaction(work, config)
    } catch (err) {
      isLost = isDatabaseGone(err)
      throw err
    } finally {
      client.release(isLost)
    }
  }
}

/**
 * A connection outside the pool, for what must be held for long (locks) or must not wait for others. `statementMs` bounds whatever is
 * asked on it. Whoever asks hears of its loss; an event that nobody hears would end the process.
 */
export function connectAlone(url: string, statementMs?: number): pg.Client {
  const bounds =
    statementMs === undefined
      ? {}
      : { statement_timeout: statementMs, query_timeout: statementMs + LIMITS.databaseConnectMs }
  return new pg.Client({ ...connectionOptions(url), ...bounds }).on('error', () => {})
}

/**
 * Has the server look whether we are still there. Otherwise it would take two hours to notice that a controller's machine is gone, and
 * hold its locks for as long: its number would look alive, and nobody could reconcile or migrate. On a unix socket it is nothing.
 */
export async function beWatched(session: pg.Client): Promise<void> {
  const idleSec = String(LIMITS.databaseSilenceMs / 1_000)
  await session.query(
    `select set_config('tcp_keepalives_idle', $1, false), set_config('tcp_keepalives_interval', '1', false),
            set_config('tcp_keepalives_count', '10', false)`,
    [idleSec],
  )
}

/** Ends such a connection, whose locks fall with it. A server that hangs never says goodbye, and is not waited for. */
export async function disconnect(client: pg.Client): Promise<void> {
  const answered = new AbortController()
  const patience = sleep(LIMITS.databaseConnectMs, undefined, { signal: answered.signal }).catch(() => {})
  await Promise.race([client.end().catch(() => {}), patience])
  answered.abort()
  client.connection.stream.destroy()
}

const connectionOptions = (url: string): pg.ClientConfig => ({
  connectionString: url,
  connectionTimeoutMillis: LIMITS.databaseConnectMs,
  keepAlive: true,
  keepAliveInitialDelayMillis: LIMITS.databaseSilenceMs,
  application_name: 'atoll-controller',
})
