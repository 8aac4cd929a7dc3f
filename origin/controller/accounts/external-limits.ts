/** How many sandboxes one of a tenant's own users may have at a time, in each region. Enforced by `external_room` in the database. */
import { and, eq } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { externalLimit } from '../database/schema/accounts.ts'
import type { AccountTx } from './write-account.ts'

/** Null when nothing bounds the user. */
export async function readExternalLimit(db: Db, tenant: string, externalUser: string): Promise<number | null> {
  const [found] = await db
    .select()
    .from(externalLimit)
    .where(and(eq(externalLimit.tenant, tenant), eq(externalLimit.externalUser, externalUser)))
  return found?.concurrency ?? null
}

export async function writeExternalLimit(
  tx: AccountTx,
  version: number,
  user: { tenant: string; externalUser: string },
  concurrency: number | null,
): Promise<void> {
  await tx
    .insert(externalLimit)
    .values({ ...user, concurrency, version })
    .onConflictDoUpdate({
      target: [externalLimit.tenant, externalLimit.externalUser],
      set: { concurrency, version },
    })
}
