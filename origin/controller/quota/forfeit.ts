/**
 * What happens to the shares of a region that was dead. While no controller served, an operator may have fenced it, or its database
 * was restored from a backup: its rows are no word on what it may use. So whoever starts first gives every share up, before it serves
 * anybody, and the first create of each tenant asks for one. It costs a question, and while the authority is away also those creates.
 *
 * Every controller that serves holds a shared lock for as long as it lives; who gets the lock alone is the first.
 */
import { LIMITS } from '../../../shared/limits.ts'
import { connectAlone, type Database, disconnect } from '../database/connect.ts'
import { LOCKS } from '../database/locks.ts'
import { forfeitShares } from './grant-row.ts'

/** Resolves to whether the shares were given up. Doing it once too often only costs questions. */
export async function forfeitIfDead({ url, db }: Database): Promise<boolean> {
  const session = connectAlone(url, LIMITS.databaseStatementMs)
  await session.connect()
  try {
    const { rows } = await session.query<{ alone: boolean }>('select pg_try_advisory_lock($1, $2) as alone', [
      LOCKS.region,
      LOCKS.serving,
    ])
    if (rows[0]?.alone !== true) return false
    await forfeitShares(db)
    return true
  } finally {
    await disconnect(session)
  }
}
