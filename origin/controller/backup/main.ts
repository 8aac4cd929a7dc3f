/**
 * `npm run backup -- FOLDER` and `npm run restore -- FOLDER`: the database of one region, into a new folder and out of it.
 * Which database is said as to a controller: DATABASE_URL, or ATOLL_DATA_DIR and ATOLL_RUN_DIR.
 */
import { resolve } from 'node:path'
import { readDatabaseConfig } from '../config.ts'
import { describeError } from '../log.ts'
import { requireFree } from './folder.ts'
import { findManifest, type Manifest } from './manifest.ts'
import { reachDatabase } from './reach-database.ts'
import { restoreBackup } from './restore-backup.ts'
import { takeBackup } from './take-backup.ts'

type Deed = {
  /** Whether a database has to be there, or is made where none is. */
  wanted: 'existing' | 'new'
  /** Before anything is reached, because to reach a database may make it. */
  check(folder: string): Promise<unknown>
  act(url: string, folder: string): Promise<Manifest>
}

const DEEDS: Readonly<Record<string, Deed>> = {
  backup: { wanted: 'existing', check: requireFree, act: (url, folder) => takeBackup(url, folder, new Date()) },
  restore: { wanted: 'new', check: findManifest, act: restoreBackup },
}

const [name = '', folder] = process.argv.slice(2)
try {
  await carryOut()
} catch (err) {
  process.stderr.write(
    `The ${name} failed, and changed nothing. ${describeError(err)}\nThe commands are in infra/runbook/backup.md.\n`,
  )
  process.exitCode = 1
}

async function carryOut(): Promise<void> {
  const deed = DEEDS[name]
  if (deed === undefined || folder === undefined) throw new Error(`Say where: npm run ${name} -- FOLDER`)
  const config = readDatabaseConfig()
  const place = resolve(folder)
  await deed.check(place)
  const database = await reachDatabase(config, deed.wanted)
  try {
    const { tables, takenAt } = await deed.act(database.url, place)
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    process.stdout.write(`${name}: ${rows} rows of ${tables.length} tables, as of ${takenAt}.\n`)
  } finally {
    await database.release()
  }
}
