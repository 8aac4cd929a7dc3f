/**
 * A backup of a region's database, taken while it is in use: every table as of one moment, in PostgreSQL's own text form, so that any
 * server from 15 on can take it back, whichever kind it came from.
 */
import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { connectAlone } from '../database/connect.ts'
import { fill, requireFree } from './folder.ts'
import { MANIFEST, type Manifest, sha256Of } from './manifest.ts'
import { columnsOf, listSequences, listTables, quoted, type Table } from './tables.ts'

/** Whoever can read it can read every tenant's settings and the hashes of keys. */
const OWN_FILE = 0o600

/** Throws when the folder has something in it already, or is not to be made, or the database is not that of a region. What fails leaves nothing. */
export async function takeBackup(url: string, folder: string, takenAt: Date): Promise<Manifest> {
  await requireFree(folder)
  const client = connectAlone(url)
  await client.connect()
  try {
    await requireRegion(client)
    return await fill(folder, () => copyAll(client, folder, takenAt))
  } finally {
    await client.end()
  }
}

async function copyAll(client: pg.Client, folder: string, takenAt: Date): Promise<Manifest> {
  await client.query('begin isolation level repeatable read read only')
  // Held to the end, so that no table changes its form meanwhile. Reading and writing go on.
  const names = (await listTables(client)).map(({ name }) => quoted(name))
  await client.query(`lock table ${names.join(', ')} in access share mode`)
  const tables: Manifest['tables'] = []
  for (const table of await listTables(client)) tables.push(await copyOut(client, table, folder))
  const level = await levelOf(client)
  // After the rows, because sequences are of no moment: this is at least what any row has drawn.
  const sequences = await listSequences(client)
  const manifest: Manifest = { format: 1, takenAt: takenAt.toISOString(), level, tables, sequences }
  await writeWhole(join(folder, MANIFEST), JSON.stringify(manifest, null, 2))
  return manifest
}

async function copyOut(client: pg.Client, table: Table, folder: string): Promise<Manifest['tables'][number]> {
  const file = `${table.name}.copy.gz`
  const path = join(folder, file)
  const rows = client.query(copyTo(`copy ${columnsOf(table)} to stdout`))
  await pipeline(rows, createGzip(), createWriteStream(path, { mode: OWN_FILE, flush: true }))
  return { name: table.name, columns: table.columns, file, rows: rows.rowCount ?? 0, sha256: await sha256Of(path) }
}

async function requireRegion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ place: string | null }>(
    `select to_regclass('drizzle.__drizzle_migrations')::text as place`,
  )
  if ((rows[0]?.place ?? null) === null)
    throw new Error('This database is not the one of a region: no controller has ever used it.')
}

async function levelOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ level: string }>(
    'select max(created_at) as level from drizzle.__drizzle_migrations',
  )
  return Number(rows[0]?.level)
}

async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', OWN_FILE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
