/** Brings the tables up to date. Several controllers may start at once; the lock makes them take turns. */
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { connectAlone } from './connect.ts'
import { LOCKS } from './locks.ts'

const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url))

export async function migrateDatabase(url: string): Promise<void> {
  const client = connectAlone(url)
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1, $2)', [LOCKS.region, LOCKS.migration])
    await migrate(drizzle(client), { migrationsFolder })
  } finally {
    // The lock goes with the connection.
    await client.end()
  }
}
