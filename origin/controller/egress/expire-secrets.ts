/** Takes the values of secrets whose time is over: a change of the accounts like any other, which hosts hear of. The home region's work. */
import { and, inArray, lte, ne, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import { withAccountWrite } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import { egressSecret } from '../database/schema/egress.ts'

export async function expireSecrets({ accounts, database: { db } }: Controller): Promise<void> {
  if (accounts.homeUrl !== undefined) return
  const isOver = and(lte(egressSecret.expiresAt, sql`now()`), ne(egressSecret.value, ''))
  const found = await db.select({ id: egressSecret.id }).from(egressSecret).where(isOver).limit(LIMITS.reconcileRowsMax)
  if (found.length === 0) return
  await withAccountWrite(db, async (tx, version) => {
    const ids = found.map(({ id }) => id)
    await tx
      .update(egressSecret)
      .set({ value: '', version })
      .where(and(isOver, inArray(egressSecret.id, ids)))
  })
  accounts.changed()
}
