/** Tenants, as operators make and change them. What is changed about a tenant is changed about its keys, because the edge knows only keys. */
import { desc, eq, lt } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import type { Db } from '../database/connect.ts'
import { apiKey, tenant } from '../database/schema/accounts.ts'
import { notACursor } from '../not-a-cursor.ts'
import { newAccountId } from './account-id.ts'
import { hasTier } from './tiers.ts'
import type { AccountTx } from './write-account.ts'

export type TenantRow = typeof tenant.$inferSelect
export type TenantChanges = {
  name?: string | undefined
  tier?: string | undefined
  status?: TenantRow['status'] | undefined
}

export const tenantAnswer = ({ id, name, tier, status, createdAt }: TenantRow) => ({
  id,
  name,
  tier,
  status,
  created_at: createdAt.toISOString(),
})

export async function readTenant(db: Pick<Db, 'select'>, id: string): Promise<TenantRow> {
  const [found] = await db.select().from(tenant).where(eq(tenant.id, id))
  if (found === undefined) throw noSuchTenant()
  return found
}

export async function listTenants(db: Db, page: { limit: number; cursor?: string | undefined }) {
  if (page.cursor !== undefined && (await db.$count(tenant, eq(tenant.id, page.cursor))) === 0) throw notACursor()
  const found = await db
    .select()
    .from(tenant)
    .where(page.cursor === undefined ? undefined : lt(tenant.id, page.cursor))
    .orderBy(desc(tenant.id))
    .limit(page.limit + 1)
  const rows = found.slice(0, page.limit)
  return { rows, nextCursor: found.length > page.limit ? (rows.at(-1)?.id ?? null) : null }
}

/** Throws already_exists, not_found for the tier. */
export async function makeTenant(
  tx: AccountTx,
  wish: { id?: string | undefined; name: string; tier: string; nowMs: number; version: number },
): Promise<TenantRow> {
  const { name, tier, nowMs, version } = wish
  await requireTier(tx, tier)
  const id = wish.id ?? newAccountId('ten', nowMs)
  const [made] = await tx
    .insert(tenant)
    .values({ id, name, tier, createdAt: new Date(nowMs), version })
    .onConflictDoNothing()
    .returning()
  if (made === undefined) throw new AppError('already_exists', `There is a tenant ${id} already.`)
  return made
}

export async function changeTenant(
  tx: AccountTx,
  version: number,
  id: string,
  { name, tier, status }: TenantChanges,
): Promise<TenantRow> {
  if (tier !== undefined) await requireTier(tx, tier)
  const changes = {
    ...(name === undefined ? {} : { name }),
    ...(tier === undefined ? {} : { tier }),
    ...(status === undefined ? {} : { status }),
    version,
  }
  const [changed] = await tx.update(tenant).set(changes).where(eq(tenant.id, id)).returning()
  if (changed === undefined) throw noSuchTenant()
  if (tier !== undefined || status !== undefined)
    await tx.update(apiKey).set({ tier: changed.tier, version }).where(eq(apiKey.tenant, id))
  return changed
}

async function requireTier(tx: AccountTx, name: string): Promise<void> {
  if (!(await hasTier(tx, name))) throw new AppError('not_found', `There is no tier named ${name}.`)
}

const noSuchTenant = (): AppError => new AppError('not_found', 'There is no such tenant.')
