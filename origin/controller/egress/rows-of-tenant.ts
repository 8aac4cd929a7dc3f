/** What policies, rules, secrets and bindings have in common: whose they are, what they are for, and how they are listed and removed. */
import { and, desc, eq, isNull, lt, type SQL, sql } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import type { egressBinding, egressPolicy, egressRule, egressSecret } from '../database/schema/egress.ts'
import { notACursor } from '../not-a-cursor.ts'
import { notFound, readSandbox } from '../sandboxes/find-sandbox.ts'

export type EgressTable = typeof egressPolicy | typeof egressRule | typeof egressSecret | typeof egressBinding
export type Page = { limit: number; cursor?: string | undefined }

/** Those that were not removed. */
export const kept = (table: EgressTable, tenant: string): SQL | undefined =>
  and(eq(table.tenant, tenant), isNull(table.deletedAt))
export const one = (table: EgressTable, tenant: string, id: string): SQL | undefined =>
  and(kept(table, tenant), eq(table.id, id))

/** The newest first, of those that pass every filter. Throws invalid_request for a cursor that is none. */
export async function pageOf<Table extends EgressTable>(
  db: Db,
  table: Table,
  { tenant, page, filters }: { tenant: string; page: Page; filters: (SQL | undefined)[] },
): Promise<{ rows: Table['$inferSelect'][]; nextCursor: string | null }> {
  const found = await db
    .select()
    .from<EgressTable>(table)
    .where(and(kept(table, tenant), ...filters, await belowCursor(db, table, tenant, page)))
    .orderBy(desc(table.id))
    .limit(page.limit + 1)
  return cut<Table['$inferSelect']>(found, page)
}

export function cut<Row extends { id: string }>(found: Row[], { limit }: Page) {
  const rows = found.slice(0, limit)
  return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.id ?? null) : null }
}

/** Those whose column names this one, and all when none is named. Throws not_found for what names nothing. */
export const naming = (column: PgColumn, id: string | undefined): SQL | undefined =>
  id === undefined ? undefined : eq(column, plainId(id))

/** Below the cursor, which is the id of a row of theirs that may have been removed since. Throws invalid_request. */
async function belowCursor(db: Db, table: EgressTable, tenant: string, { cursor }: Page): Promise<SQL | undefined> {
  if (cursor === undefined) return undefined
  // No store takes NUL, and no id of ours has one.
  if (cursor.includes('\0')) throw notACursor()
  if ((await db.$count(table, and(eq(table.tenant, tenant), eq(table.id, cursor)))) === 0) throw notACursor()
  return lt(table.id, cursor)
}

/** Throws account_limit. */
export async function requireRoom(
  tx: AccountTx,
  table: EgressTable,
  where: SQL | undefined,
  max: number,
  what: string,
): Promise<void> {
  if ((await tx.$count(table, where)) >= max)
    throw new AppError('account_limit', `There may be at most ${max} ${what}.`, { details: { limit: max } })
}

/** The row stays, to say that it was removed. */
export const removed = { deletedAt: sql`clock_timestamp()` }

/** Undefined for a row of another tenant's, or none. */
export const plainId = (id: string): string => {
  if (id.includes('\0') || id.length > LIMITS.nameCharsMax) throw noSuch('entry')
  return id
}

export const noSuch = (what: string): AppError => new AppError('not_found', `There is no such ${what}.`)

/** A sandbox of another region's is not known here; what is said of one that is not the tenant's holds for nothing. Throws sandbox_not_found. */
export async function requireResource(
  { database, region }: Controller,
  tenant: string,
  resource: string | null,
): Promise<void> {
  if (resource === null || parseId(resource, 'sbx')?.region !== region.code) return
  const row = await readSandbox(database.db, resource)
  if (row === undefined || row.tenant !== tenant || row.state === 'destroyed') throw notFound()
}

export const typeOf = (resource: string | null): 'sandbox' | null => (resource === null ? null : 'sandbox')
