/**
 * Brings the tables up to date while older controllers go on serving. Several may start at once; the lock makes them take turns.
 *
 * A statement that changes a table waits for whoever uses it, and everybody who comes after waits behind that statement. So it waits
 * for a moment only, gives way, and tries again. What a migration may do stands in infra/runbook/migrations.md.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import type pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import { beWatched, connectAlone, disconnect } from './connect.ts'
import { LOCKS } from './locks.ts'

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../migrations', import.meta.url))

const LOCK_NOT_AVAILABLE = '55P03'

/** All or nothing: what is pending is done in one transaction. Throws when the tables were in use all the time. */
export async function migrateDatabase(url: string, migrationsFolder: string = MIGRATIONS_FOLDER): Promise<void> {
  const client = connectAlone(url)
  await client.connect()
  try {
    await beWatched(client)
    await client.query('select pg_advisory_lock($1, $2)', [LOCKS.region, LOCKS.migration])
    await client.query(`select set_config('lock_timeout', $1, false)`, [`${LIMITS.migrationLockMs}ms`])
    await migratePatiently(client, migrationsFolder)
  } finally {
    // The lock goes with the connection.
    await disconnect(client)
  }
}

async function migratePatiently(client: pg.Client, migrationsFolder: string): Promise<void> {
  for (let triesLeft = LIMITS.migrationTriesMax; ; triesLeft--) {
    try {
      if (await isPending(client, migrationsFolder)) await lockTables(client)
      return await migrate(drizzle(client), { migrationsFolder })
    } catch (err) {
      await client.query('rollback').catch(() => {})
      if (triesLeft <= 1 || !isLockMissing(err)) throw err
      await sleep(LIMITS.migrationPauseMs)
    }
  }
}

async function isPending(client: pg.Client, migrationsFolder: string): Promise<boolean> {
  const newest = readMigrationFiles({ migrationsFolder }).at(-1)
  const { rows } = await client.query<{ isThere: boolean }>(
    `select to_regclass('drizzle.__drizzle_migrations') is not null as "isThere"`,
  )
  if (newest === undefined || rows[0]?.isThere !== true) return false
  const applied = await client.query('select from drizzle.__drizzle_migrations where created_at >= $1', [
    newest.folderMillis,
  ])
  return applied.rowCount === 0
}

/**
 * Begins the transaction that the migrations end. All tables are locked before any is changed, in the order in which requests lock
 * them: a migration that held what a request wants, and wanted what that one holds, would find the same again at every try.
 */
async function lockTables(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I', tablename) as name from pg_tables where schemaname = 'public'
     order by array_position($1::text[], tablename::text), tablename`,
    [LOCK_ORDER],
  )
  await client.query('begin')
  if (rows.length > 0) await client.query(`lock table ${rows.map(({ name }) => name).join(', ')}`)
}

/** As at the head of migrations/0001. What is not named here comes after, in the order of the alphabet. */
const LOCK_ORDER = ['idempotency', 'sandbox', 'quota_grant', 'host', 'usage_interval', 'event', 'delivery']

/** Looks through `cause`, because drizzle wraps what the driver throws. */
function isLockMissing(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  return ('code' in thrown && thrown.code === LOCK_NOT_AVAILABLE) || isLockMissing(thrown.cause)
}
