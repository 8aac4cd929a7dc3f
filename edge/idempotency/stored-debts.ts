/**
 * What regions owe a tenant: creates to give up, because their sandboxes were made elsewhere. A region that does not answer is asked again
 * later and later, and keeps no other region waiting.
 */
import { LIMITS } from '../../shared/limits.ts'
import type { Debt } from './bindings.ts'
import type { ClaimText } from './stored-bindings.ts'

export type StoredDebt = Debt & { claim: ClaimText; owner: string }

export function openDebts({ sql }: DurableObjectStorage): void {
  sql.exec(
    'CREATE TABLE IF NOT EXISTS debt (claim TEXT NOT NULL, region TEXT NOT NULL, body TEXT NOT NULL, owner TEXT NOT NULL, tries INTEGER NOT NULL, made_ms INTEGER NOT NULL, PRIMARY KEY (claim, region, body)) WITHOUT ROWID',
  )
  sql.exec('CREATE INDEX IF NOT EXISTS debt_in_turn ON debt (region, tries, made_ms)')
  sql.exec('CREATE INDEX IF NOT EXISTS debt_made ON debt (made_ms)')
  sql.exec(
    'CREATE TABLE IF NOT EXISTS debtor (region TEXT PRIMARY KEY, failures INTEGER NOT NULL, due_ms INTEGER NOT NULL) WITHOUT ROWID',
  )
}

/** Throws when too much is owed already: then nothing more may be sent anywhere on credit. */
export function owe({ sql }: DurableObjectStorage, { claim, region, body, owner }: StoredDebt, nowMs: number): void {
  const { count } = sql.exec<{ count: number }>('SELECT count(*) AS count FROM debt').one()
  if (count >= LIMITS.debtsPerTenantMax) throw new RangeError('The regions owe this tenant too much.')
  sql.exec(
    'INSERT OR REPLACE INTO debt (claim, region, body, owner, tries, made_ms) VALUES (?, ?, ?, ?, 0, ?)',
    claim,
    region,
    body,
    owner,
    nowMs,
  )
  sql.exec('INSERT OR IGNORE INTO debtor (region, failures, due_ms) VALUES (?, 0, ?)', region, nowMs)
}

/** Null when nothing is owed. */
export const nextPaymentMs = ({ sql }: DurableObjectStorage): number | null =>
  sql.exec<{ first: number | null }>('SELECT min(due_ms) AS first FROM debtor').one().first

export const dueDebtors = ({ sql }: DurableObjectStorage, nowMs: number): string[] =>
  sql
    .exec<{ region: string }>('SELECT region FROM debtor WHERE due_ms <= ?', nowMs)
    .toArray()
    .map(({ region }) => region)

/** What was tried least comes first, so that one that always fails holds up no other. */
export const debtsOf = ({ sql }: DurableObjectStorage, region: string): StoredDebt[] =>
  sql
    .exec<StoredDebt>(
      'SELECT claim, region, body, owner FROM debt WHERE region = ? ORDER BY tries, made_ms LIMIT ?',
      region,
      LIMITS.debtsAtOnceMax,
    )
    .toArray()

/** What became of some debts of a region, and when it is asked again. */
export function notePayments(
  storage: DurableObjectStorage,
  region: string,
  tried: readonly { debt: StoredDebt; isPaid: boolean }[],
  nowMs: number,
): void {
  storage.transactionSync(() => {
    for (const { debt, isPaid } of tried) {
      const change = isPaid ? 'DELETE FROM debt' : 'UPDATE debt SET tries = tries + 1'
      storage.sql.exec(`${change} WHERE claim = ? AND region = ? AND body = ?`, debt.claim, region, debt.body)
    }
    postpone(
      storage,
      region,
      tried.every(({ isPaid }) => isPaid),
      nowMs,
    )
  })
}

function postpone({ sql }: DurableObjectStorage, region: string, isWell: boolean, nowMs: number): void {
  const owesMore = sql.exec('SELECT 1 FROM debt WHERE region = ? LIMIT 1', region).toArray().length > 0
  if (!owesMore) sql.exec('DELETE FROM debtor WHERE region = ?', region)
  else if (isWell) sql.exec('UPDATE debtor SET failures = 0, due_ms = ? WHERE region = ?', nowMs, region)
  else
    sql.exec(
      'UPDATE debtor SET failures = min(failures + 1, 20), due_ms = ? + min(? * (1 << failures), ?) WHERE region = ?',
      nowMs,
      LIMITS.debtRetryMs,
      LIMITS.debtRetryMsMax,
      region,
    )
}

/** A region forgets its side after as long, so that later words would change nothing there. Returns how many were given up. */
export function forgetDebts({ sql }: DurableObjectStorage, nowMs: number): number {
  const forgotten = sql.exec('DELETE FROM debt WHERE made_ms <= ? RETURNING claim', nowMs - LIMITS.boundKeyMs).toArray()
  if (forgotten.length > 0) sql.exec('DELETE FROM debtor WHERE region NOT IN (SELECT region FROM debt)')
  return forgotten.length
}
