/** The tiers: what each allows. A tier is changed, never removed, because tenants and keys name it. */
import { eq } from 'drizzle-orm'
import type { Tier, Tiers } from '../../../shared/accounts.ts'
import type { Db } from '../database/connect.ts'
import { tier } from '../database/schema/accounts.ts'
import { withAccountWrite } from './write-account.ts'

export async function readTiers(db: Pick<Db, 'select'>): Promise<Tiers> {
  const rows = await db.select().from(tier)
  return Object.fromEntries(rows.map(({ name, version: _, ...limits }) => [name, limits]))
}

export async function writeTier(db: Db, name: string, limits: Tier): Promise<void> {
  await withAccountWrite(db, (tx, version) =>
    tx
      .insert(tier)
      .values({ name, ...limits, version })
      .onConflictDoUpdate({ target: tier.name, set: { ...limits, version } }),
  )
}

export async function hasTier(db: Pick<Db, 'select'>, name: string): Promise<boolean> {
  const found = await db.select({ name: tier.name }).from(tier).where(eq(tier.name, name))
  return found.length > 0
}
