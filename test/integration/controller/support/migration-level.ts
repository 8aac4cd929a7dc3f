/** The migrations as they were at an earlier time, in a folder of their own. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MIGRATIONS_FOLDER } from '../../../../origin/controller/database/migrate.ts'

type Journal = { entries: { idx: number; when: number; tag: string }[] }

export const readJournal = (folder: string = MIGRATIONS_FOLDER): Journal =>
  JSON.parse(readFileSync(join(folder, 'meta/_journal.json'), 'utf8'))

export function migrationsUpTo(count: number): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'atoll-migrations-'))
  cpSync(MIGRATIONS_FOLDER, folder, { recursive: true })
  const journal = readJournal()
  writeFileSync(
    join(folder, 'meta/_journal.json'),
    JSON.stringify({ ...journal, entries: journal.entries.slice(0, count) }),
  )
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
