/** The feed of the accounts: what has changed since a version, in the order of versions, for the other regions. */
import { sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { LOCKS } from '../database/locks.ts'
import { ACCOUNT_TABLES, type AccountTable } from './account-tables.ts'
import type { AccountTx } from './write-account.ts'

export type ChangedRows = Partial<Record<AccountTable, Record<string, unknown>[]>>
export type Changes = {
  /** Where to go on from. */
  place: number
  isComplete: boolean
  rows: ChangedRows
}

/** The last version that was drawn. Nothing up to it is still being written while this transaction lasts. */
export async function standStill(tx: AccountTx): Promise<number> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(${LOCKS.region}::integer, ${LOCKS.accounts}::integer)`)
  return lastVersion(tx)
}

export async function lastVersion(db: Pick<Db, 'execute'>): Promise<number> {
  const { rows } = await db.execute<{ last: string }>(
    sql`select case when is_called then last_value else 0 end as last from account_version`,
  )
  return Number(rows[0]?.last)
}

/** At least `rowsMax` rows if there are as many; a version is never cut in two, because it is the place to go on from. */
export function readChanges(db: Db, after: number, rowsMax: number): Promise<Changes & { last: number }> {
  return db.transaction(async (tx) => {
    const last = await standStill(tx)
    const place = (await versionOfRow(tx, ACCOUNT_TABLES, after, rowsMax)) ?? last
    const rows: ChangedRows = {}
    for (const name of ACCOUNT_TABLES) {
      const found = await rowsOf(tx, name, sql`version > ${after} and version <= ${place}`)
      if (found.length > 0) rows[name] = found
    }
    return { last, place, isComplete: place === last, rows: await withParents(tx, rows) }
  })
}

/** The version of the row that fills a page, or undefined when all of them fit. */
export async function versionOfRow(
  tx: AccountTx,
  tables: readonly AccountTable[],
  after: number,
  rowsMax: number,
): Promise<number | undefined> {
  const versions = tables.map((name) => sql`select version from ${sql.identifier(name)} where version > ${after}`)
  const { rows } = await tx.execute<{ version: string }>(
    sql`${sql.join(versions, sql` union all `)} order by version limit 1 offset ${rowsMax - 1}`,
  )
  return rows[0] === undefined ? undefined : Number(rows[0].version)
}

/**
 * The feed tells what rows are now, not what they were, so a row may come before a later change of what it refers to. What it refers
 * to is sent along, however new it is.
 */
async function withParents(tx: AccountTx, rows: ChangedRows): Promise<ChangedRows> {
  const children = ACCOUNT_TABLES.flatMap((name) => rows[name] ?? [])
  const tenants = await parents(tx, 'tenant', sql`id`, [...children.map((row) => row.tenant)])
  const allTenants = [...(rows.tenant ?? []), ...tenants]
  const named = [...children, ...allTenants].map((row) => row.tier)
  const allTiers = [...(rows.tier ?? []), ...(await parents(tx, 'tier', sql`name`, named))]
  return {
    ...rows,
    ...(allTiers.length > 0 ? { tier: once(allTiers, 'name') } : {}),
    ...(allTenants.length > 0 ? { tenant: once(allTenants, 'id') } : {}),
  }
}

async function parents(tx: AccountTx, name: AccountTable, key: ReturnType<typeof sql>, wanted: unknown[]) {
  const keys = [...new Set(wanted.filter((one) => typeof one === 'string'))]
  return keys.length === 0 ? [] : rowsOf(tx, name, sql`${key} in ${keys}`)
}

/** One statement may not write a row twice. */
const once = (rows: Record<string, unknown>[], key: string): Record<string, unknown>[] => [
  ...new Map(rows.map((row) => [row[key], row])).values(),
]

async function rowsOf(tx: AccountTx, name: AccountTable, where: ReturnType<typeof sql>) {
  const { rows } = await tx.execute<{ row: Record<string, unknown> }>(
    sql`select to_jsonb(found) as row from ${sql.identifier(name)} found where ${where} order by version`,
  )
  return rows.map(({ row }) => row)
}
