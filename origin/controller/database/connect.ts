/** The pool of connections, bounded in number and in every wait, so that a database that is gone costs a caller seconds, not minutes. */
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import { describeError, type Log } from '../log.ts'

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
  return { pool, db: drizzle(pool), url, close: () => pool.end() }
}

/** A connection outside the pool, for what must be held for long (locks) or must not wait for others. */
export const connectAlone = (url: string): pg.Client => new pg.Client(connectionOptions(url))

const connectionOptions = (url: string): pg.ClientConfig => ({
  connectionString: url,
  connectionTimeoutMillis: LIMITS.databaseConnectMs,
  keepAlive: true,
  keepAliveInitialDelayMillis: LIMITS.databaseSilenceMs,
  application_name: 'atoll-controller',
})
