/** What usage costs in this region. All rates are replaced at once, so that they always have one currency. */
import { asc, sql } from 'drizzle-orm'
import type { Rates } from '../../../shared/contracts/usage.ts'
import type { Db } from '../database/connect.ts'
import { rate } from '../database/schema/usage.ts'

export async function readRates(db: Db): Promise<Rates> {
  const rows = await db.select().from(rate).orderBy(asc(rate.since))
  return {
    currency: currencyOf(rows[0]),
    rates: rows.map((row) => ({
      since: row.since,
      vcpu: row.vcpu,
      memory_gib: row.memoryGib,
      paused_memory_gib: row.pausedMemoryGib,
      disk_gib: row.diskGib,
    })),
  }
}

export async function readCurrency(db: Db): Promise<string> {
  const [row] = await db.select({ currency: rate.currency }).from(rate).limit(1)
  return currencyOf(row)
}

/** The migrations make one rate, and nothing of ours leaves the table empty. */
function currencyOf(row: { currency: string } | undefined): string {
  if (row === undefined) throw new Error('There is no rate in the table of rates.')
  return row.currency
}

/** Who reads meanwhile sees the old ones, and who replaces meanwhile waits. */
export async function replaceRates(db: Db, { currency, rates }: Rates): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(sql`lock table ${rate} in share row exclusive mode`)
    await tx.delete(rate)
    await tx.insert(rate).values(
      rates.map((row) => ({
        since: row.since,
        currency,
        vcpu: row.vcpu,
        memoryGib: row.memory_gib,
        pausedMemoryGib: row.paused_memory_gib,
        diskGib: row.disk_gib,
      })),
    )
  })
}
