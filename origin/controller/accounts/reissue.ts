/**
 * Telling everything anew, after the home's database was restored from a backup.
 *
 * A restored home has forgotten what it wrote after the backup, and would draw versions a second time that the other regions have
 * seen already and ignore. So it leaps ahead of them and gives every row a new version; and it remembers the first of these, the
 * floor: what another region has below the floor is not known at home any more and ends there (follow-home.ts). Keys that were
 * revoked after the backup are active at home again; elsewhere they stay revoked, because no copy of a revoked key wakes.
 */
import { sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { ACCOUNT_TABLES } from './account-tables.ts'
import { readPlace, writePlace } from './places.ts'
import { type AccountTx, withAccountWrite } from './write-account.ts'

/** `beyond` is the highest version that somebody has seen. Safe to repeat: once the versions are beyond it, nothing is done. */
export const reissueBeyond = (db: Db, beyond: number): Promise<void> =>
  withAccountWrite(db, async (tx, version) => {
    if (version <= beyond) await tellAnew(tx, beyond + LIMITS.accountsReissueLeap)
  })

/** By an operator's word, when the home may have gone on before another region could notice. */
export const reissueNow = (db: Db): Promise<void> =>
  withAccountWrite(db, (tx, version) => tellAnew(tx, version + LIMITS.accountsReissueLeap))

async function tellAnew(tx: AccountTx, floor: number): Promise<void> {
  await tx.execute(sql`select setval('account_version', ${floor})`)
  for (const name of ACCOUNT_TABLES) await tx.execute(sql`update ${sql.identifier(name)} set version = ${floor}`)
  await writePlace(tx, 'floor', floor)
}

export const readFloor = (db: Db): Promise<number> => readPlace(db, 'floor')
