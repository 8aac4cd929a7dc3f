/** What the home region knows before anybody has told it: the built-in tiers, and the tenants and keys of its seed file. Safe to repeat. */
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { DEFAULT_TIERS, keyRecordSchema } from '../../../shared/accounts.ts'
import type { Db } from '../database/connect.ts'
import { apiKey, tenant, tier } from '../database/schema/accounts.ts'
import { withAccountWrite } from './write-account.ts'

const seedSchema = z.object({
  tenants: z.array(z.object({ id: z.string(), name: z.string(), tier: z.string() })),
  keys: z.array(z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/), ...keyRecordSchema.shape })),
})
export type Seed = z.infer<typeof seedSchema>

export async function readSeed(file: string): Promise<Seed> {
  return seedSchema.parse(JSON.parse(await readFile(file, 'utf8')))
}

/** Tiers that exist are left as their operator made them; all have a version, so that the other regions hear of them. */
export async function seedTiers(db: Db): Promise<void> {
  const rows = Object.entries(DEFAULT_TIERS).map(([name, limits]) => ({ name, ...limits }))
  await withAccountWrite(db, async (tx, version) => {
    await tx.insert(tier).values(rows).onConflictDoNothing()
    for (const table of [tier, tenant, apiKey]) await tx.update(table).set({ version }).where(sql`${table.version} = 0`)
  })
}

export async function seedAccounts(db: Db, seed: Seed): Promise<void> {
  await withAccountWrite(db, async (tx, version) => {
    for (const one of seed.tenants) {
      const set = { name: one.name, tier: one.tier, version }
      await tx
        .insert(tenant)
        .values({ ...one, version })
        .onConflictDoUpdate({ target: tenant.id, set })
    }
    for (const { expires, pin, limits, externalUser, ...key } of seed.keys) {
      const row = {
        ...key,
        pin: pin ?? null,
        limits: limits ?? null,
        externalUser: externalUser ?? null,
        expiresAt: expires === null ? null : new Date(expires),
        version,
      }
      const { id: _, status, ...rest } = row
      // A key that was revoked stays revoked, whatever an old file says.
      const kept = sql`case when ${apiKey.status} = 'revoked' then 'revoked' else ${status} end`
      await tx
        .insert(apiKey)
        .values(row)
        .onConflictDoUpdate({ target: apiKey.id, set: { ...rest, status: kept } })
    }
  })
}
