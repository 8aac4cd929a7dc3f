/** Reading the keys of one tenant. Whatever belongs to another does not exist here. */
import { and, desc, eq, getTableColumns, type SQL, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import type { Db } from '../database/connect.ts'
import { apiKey, tier } from '../database/schema/accounts.ts'
import { notACursor } from '../not-a-cursor.ts'

const COLUMNS = { row: getTableColumns(apiKey), limits: getTableColumns(tier) }

const named = (tenant: string, id: string) => and(eq(apiKey.tenant, tenant), eq(apiKey.id, id))

export async function findKeyOfTenant(db: Pick<Db, 'select'>, tenant: string, id: string) {
  const [found] = await db
    .select(COLUMNS)
    .from(apiKey)
    .innerJoin(tier, eq(tier.name, apiKey.tier))
    .where(named(tenant, id))
  if (found === undefined) throw noSuchKey()
  return found
}

/** Newest first; the cursor is the id of the last. Throws invalid_request for one that is no key of theirs. */
export async function listKeysOfTenant(db: Db, tenant: string, page: { limit: number; cursor?: string | undefined }) {
  const from = page.cursor === undefined ? null : await placeOf(db, tenant, page.cursor)
  const found = await db
    .select(COLUMNS)
    .from(apiKey)
    .innerJoin(tier, eq(tier.name, apiKey.tier))
    .where(and(eq(apiKey.tenant, tenant), ...(from === null ? [] : [after(from)])))
    .orderBy(desc(apiKey.createdAt), desc(apiKey.id))
    .limit(page.limit + 1)
  const rows = found.slice(0, page.limit)
  return { rows, nextCursor: found.length > page.limit ? (rows.at(-1)?.row.id ?? null) : null }
}

type Place = { createdAt: Date; id: string }

/** Not every id of a key tells when it was made: operators may have given it. */
async function placeOf(db: Db, tenant: string, id: string): Promise<Place> {
  const [found] = await db.select({ createdAt: apiKey.createdAt, id: apiKey.id }).from(apiKey).where(named(tenant, id))
  if (found === undefined) throw notACursor()
  return found
}

const after = ({ createdAt, id }: Place): SQL =>
  sql`(${apiKey.createdAt}, ${apiKey.id}) < (${createdAt.toISOString()}::timestamptz, ${id})`

export const noSuchKey = (): AppError => new AppError('not_found', 'There is no such API key.')
