/**
 * `npm run backup -- FOLDER` and `npm run restore -- FOLDER`: the database of one region, into a new folder and out of it.
 * Which database is said as to a controller: DATABASE_URL, or ATOLL_DATA_DIR and ATOLL_RUN_DIR.
 */
import { resolve } from 'node:path'
import { readDatabaseConfig } from '../config.ts'
import { describeError } from '../log.ts'
import type { Manifest } from './manifest.ts'
import { reachDatabase } from './reach-database.ts'
import { restoreBackup } from './restore-backup.ts'
import { takeBackup } from './take-backup.ts'

const DEEDS: Readonly<Record<string, (url: string, folder: string) => Promise<Manifest>>> = {
  backup: (url, folder) => takeBackup(url, folder, new Date()),
  restore: restoreBackup,
}

const [deed = '', folder] = process.argv.slice(2)
try {
  await carryOut()
} catch (err) {
  process.stderr.write(`The ${deed} failed, and changed nothing. ${describeError(err)}\n`)
  process.exitCode = 1
}

async function carryOut(): Promise<void> {
  const act = DEEDS[deed]
  if (act === undefined || folder === undefined) throw new Error('Say "backup" or "restore", and a folder.')
  const database = await reachDatabase(readDatabaseConfig())
  try {
    const { tables, takenAt } = await act(database.url, resolve(folder))
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    process.stdout.write(`${deed}: ${rows} rows of ${tables.length} tables, as of ${takenAt}.\n`)
  } finally {
    await database.release()
  }
}
