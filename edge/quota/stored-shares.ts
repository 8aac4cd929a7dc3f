/** The shares of one tenant in the storage of its Durable Object. Every write is one transaction. */
import { type Holding, NO_SHARES, type Shares } from './shares.ts'

type HoldingRow = { region: string } & Holding
type LimitRow = { amount: number; version: number }

export function openShares(storage: DurableObjectStorage): void {
  storage.sql.exec(
    'CREATE TABLE IF NOT EXISTS holding (region TEXT PRIMARY KEY, epoch INTEGER NOT NULL, granted INTEGER NOT NULL, used INTEGER NOT NULL, held INTEGER NOT NULL)',
  )
  storage.sql.exec(
    'CREATE TABLE IF NOT EXISTS limit_of_tenant (id INTEGER PRIMARY KEY CHECK (id = 1), amount INTEGER NOT NULL, version INTEGER NOT NULL)',
  )
}

/** Nothing may be awaited inside: whatever else arrives meanwhile would see shares that are half changed. Throws what `change` throws, with nothing written. */
export const changeShares = <T>(
  storage: DurableObjectStorage,
  change: (shares: Shares) => { shares: Shares; result: T },
): T =>
  storage.transactionSync(() => {
    const { shares, result } = change(readShares(storage))
    writeShares(storage, shares)
    return result
  })

export function readShares({ sql }: DurableObjectStorage): Shares {
  const [limit] = sql.exec<LimitRow>('SELECT amount, version FROM limit_of_tenant').toArray()
  const rows = sql.exec<HoldingRow>('SELECT region, epoch, granted, used, held FROM holding').toArray()
  return {
    limit: limit?.amount ?? NO_SHARES.limit,
    limitVersion: limit?.version ?? NO_SHARES.limitVersion,
    holdings: new Map(rows.map(({ region, ...holding }) => [region, holding])),
  }
}

function writeShares({ sql }: DurableObjectStorage, { limit, limitVersion, holdings }: Shares): void {
  sql.exec('INSERT OR REPLACE INTO limit_of_tenant (id, amount, version) VALUES (1, ?, ?)', limit, limitVersion)
  for (const [region, { epoch, granted, used, held }] of holdings)
    sql.exec(
      'INSERT OR REPLACE INTO holding (region, epoch, granted, used, held) VALUES (?, ?, ?, ?, ?)',
      region,
      epoch,
      granted,
      used,
      held,
    )
}
