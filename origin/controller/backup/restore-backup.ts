/**
 * Puts a backup into an empty database. All rows or none: what fails leaves the database as empty as it was.
 *
 * What the region was told after the backup is forgotten, and some of it has been acted on by others. So that nothing new is taken for
 * something old, sequences leap ahead: positions of events and numbers of controllers that were in use then are never drawn again.
 * Shares of limits are given up by the first controller that starts (quota/forfeit.ts). What else to know: infra/runbook/backup.md.
 */
import { createReadStream } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import * as z from 'zod'
import { LIMITS } from '../../../shared/limits.ts'
import { connectAlone } from '../database/connect.ts'
import { MIGRATIONS_FOLDER, migrateDatabase } from '../database/migrate.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { columnsOf, listTables, quoted } from './tables.ts'

/** Throws, and says why, when the database is not empty or the backup is not whole, or newer than this program. */
export async function restoreBackup(url: string, folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder)
  await requireEmpty(url)
  await migrateTo(url, manifest.level)
  const client = connectAlone(url)
  await client.connect()
  try {
    await client.query('begin')
    await copyIn(client, manifest, folder)
    await leap(client, manifest)
    await client.query('commit')
  } finally {
    await client.end()
  }
  await migrateDatabase(url)
  return manifest
}

async function requireEmpty(url: string): Promise<void> {
  const client = connectAlone(url)
  await client.connect()
  try {
    const tables = await listTables(client)
    for (const { name } of tables) {
      const { rowCount } = await client.query(`select from ${quoted(name)} limit 1`)
      if (rowCount !== 0) throw new Error('The database is not empty. Restore into a new one, and keep the old one.')
    }
  } finally {
    await client.end()
  }
}

const journalSchema = z.looseObject({ entries: z.array(z.looseObject({ when: z.int() })) })

/** The tables as they were when the backup was taken. */
async function migrateTo(url: string, level: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-restore-'))
  try {
    await cp(MIGRATIONS_FOLDER, folder, { recursive: true })
    const path = join(folder, 'meta/_journal.json')
    const journal = journalSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    const entries = journal.entries.filter(({ when }) => when <= level)
    if (entries.at(-1)?.when !== level)
      throw new Error('This backup is of a newer version of Atoll; restore it with that one.')
    await writeFile(path, JSON.stringify({ ...journal, entries }))
    await migrateDatabase(url, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Without the triggers: what they would write is in the backup already. */
async function copyIn(client: pg.Client, { tables }: Manifest, folder: string): Promise<void> {
  const names = tables.map(({ name }) => quoted(name))
  // A migration may have put rows of its own there.
  await client.query(`truncate ${names.join(', ')} cascade`)
  for (const table of tables) {
    await client.query(`alter table ${quoted(table.name)} disable trigger user`)
    const rows = client.query(copyFrom(`copy ${columnsOf(table)} from stdin`))
    await pipeline(createReadStream(join(folder, table.file)), createGunzip(), rows)
    if (rows.rowCount !== table.rows) throw new Error(`${table.name} got ${rows.rowCount} rows of ${table.rows}.`)
    await client.query(`alter table ${quoted(table.name)} enable trigger user`)
  }
}

/** Other regions know how far the versions of accounts had come, and by that the home finds out that it was restored (accounts/reissue.ts). */
const LEFT_BEHIND = 'account_version'

async function leap(client: pg.Client, { sequences }: Manifest): Promise<void> {
  for (const { name, value, max } of sequences) {
    const farther = max > Number.MAX_SAFE_INTEGER ? LIMITS.restoreLeap : LIMITS.restoreSmallLeap
    const by = name === LEFT_BEHIND ? 0 : farther
    await client.query('select setval($1, $2)', [`public.${quoted(name)}`, Math.min(value + by, max)])
  }
}
