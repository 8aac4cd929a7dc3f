/**
 * The one way in which accounts are written. Every write of the installation happens in the home region, one after the other, and
 * takes the next version; so whoever has read up to a version has missed nothing before it. It is slow on purpose: seldom, and exact.
 */
import { sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { LOCKS } from '../database/locks.ts'

export type AccountTx = Parameters<Parameters<Db['transaction']>[0]>[0]

/** `fn` gives `version` to every account row that it writes. Whatever it throws undoes all of it. */
export function withAccountWrite<T>(db: Db, fn: (tx: AccountTx, version: number) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${LOCKS.region}::integer, ${LOCKS.accounts}::integer)`)
    return fn(tx, await nextVersion(tx))
  })
}

async function nextVersion(tx: AccountTx): Promise<number> {
  const { rows } = await tx.execute<{ version: string }>(sql`select nextval('account_version') as version`)
  return Number(rows[0]?.version)
}
