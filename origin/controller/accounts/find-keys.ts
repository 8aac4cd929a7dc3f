/** Reading the keys of one tenant. Whatever belongs to another does not exist here. */
import { and, desc, eq, getTableColumns, lt } from 'drizzle-orm'
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
  if (page.cursor !== undefined && (await db.$count(apiKey, named(tenant, page.cursor))) === 0) throw notACursor()
  const found = await db
    .select(COLUMNS)
    .from(apiKey)
    .innerJoin(tier, eq(tier.name, apiKey.tier))
    .where(and(eq(apiKey.tenant, tenant), ...(page.cursor === undefined ? [] : [lt(apiKey.id, page.cursor)])))
    .orderBy(desc(apiKey.id))
    .limit(page.limit + 1)
  const rows = found.slice(0, page.limit)
  return { rows, nextCursor: found.length > page.limit ? (rows.at(-1)?.row.id ?? null) : null }
}

export const noSuchKey = (): AppError => new AppError('not_found', 'There is no such API key.')
