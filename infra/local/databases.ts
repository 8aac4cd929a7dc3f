/** With DATABASE_URL, each region of the local stack has a database of its own on that server: `<name>_<code>`. */
import pg from 'pg'

const DUPLICATE_DATABASE = '42P04'

/** The URL of the region's database, which exists from now on. */
export async function regionDatabase(serverUrl: string, code: string): Promise<string> {
  const url = new URL(serverUrl)
  const name = `${url.pathname.slice(1) || 'atoll'}_${code}`
  const admin = new URL(serverUrl)
  admin.pathname = '/postgres'
  const client = new pg.Client({ connectionString: admin.href, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`)
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== DUPLICATE_DATABASE) {
      throw new Error(`The server of DATABASE_URL cannot be used: ${(thrown as Error).message}`, { cause: thrown })
    }
  } finally {
    await client.end()
  }
  url.pathname = `/${name}`
  return url.href
}
