/** The keys of one tenant, and what regions owe of them, in the storage of a Durable Object. */
import { LIMITS } from '../../shared/limits.ts'
import type { Binding, Debt, Step } from './bindings.ts'

/** Which claim of a region's a key makes: `[tenant, door, end user, key]` as JSON, so that two are the same only if all of it is. */
export type ClaimText = string

type BindingRow = { region: string; state: Binding['state']; holder: string; body: string | null; owing: string }

export function openBindings({ sql }: DurableObjectStorage): void {
  sql.exec(
    'CREATE TABLE IF NOT EXISTS binding (claim TEXT PRIMARY KEY, region TEXT NOT NULL, state TEXT NOT NULL, holder TEXT NOT NULL, body TEXT, owing TEXT NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID',
  )
  sql.exec('CREATE INDEX IF NOT EXISTS binding_until ON binding (until_ms)')
}

/** Nothing may be awaited inside: two requests with one key would both find it free. `owe` writes down what a region owes. */
export const changeBinding = <Word>(
  storage: DurableObjectStorage,
  claim: ClaimText,
  nowMs: number,
  change: (known: Binding | undefined) => Step<Word>,
  owe: (debt: Debt, owner: string) => void,
): Step<Word> =>
  storage.transactionSync(() => {
    const step = change(readBinding(storage, claim))
    if (step.binding !== undefined) {
      writeBinding(storage, claim, step.binding, nowMs)
      for (const debt of step.debts) owe(debt, step.binding.region)
    }
    return step
  })

function readBinding({ sql }: DurableObjectStorage, claim: ClaimText): Binding | undefined {
  const [row] = sql
    .exec<BindingRow>('SELECT region, state, holder, body, owing FROM binding WHERE claim = ?', claim)
    .toArray()
  return row === undefined ? undefined : { ...row, owing: row.owing.split(' ').filter((code) => code !== '') }
}

/** Every use of a key keeps it for longer, because the region begins anew, too, when it is used after a day. */
function writeBinding(
  { sql }: DurableObjectStorage,
  claim: ClaimText,
  { region, state, holder, body, owing }: Binding,
  nowMs: number,
): void {
  sql.exec(
    'INSERT OR REPLACE INTO binding (claim, region, state, holder, body, owing, until_ms) VALUES (?, ?, ?, ?, ?, ?, ?)',
    claim,
    region,
    state,
    holder,
    body,
    owing.join(' '),
    nowMs + LIMITS.boundKeyMs,
  )
}

export const countBindings = ({ sql }: DurableObjectStorage): number =>
  sql.exec<{ count: number }>('SELECT count(*) AS count FROM binding').one().count

/** Null when there is none. Keys that end about the same time are forgotten together. */
export function nextForgettingMs({ sql }: DurableObjectStorage): number | null {
  const { first } = sql.exec<{ first: number | null }>('SELECT min(until_ms) AS first FROM binding').one()
  return first === null ? null : first + LIMITS.boundKeysSweepMs
}

/** Not while a region owes its sandbox: bound anew to that region, its new sandbox would be taken for the old one. */
export function forgetBindings({ sql }: DurableObjectStorage, nowMs: number): void {
  sql.exec('DELETE FROM binding WHERE until_ms <= ? AND claim NOT IN (SELECT claim FROM debt)', nowMs)
}

/** Those that were used longest ago. */
export function forgetOldest({ sql }: DurableObjectStorage, count: number): void {
  sql.exec(
    'DELETE FROM binding WHERE claim IN (SELECT claim FROM binding WHERE claim NOT IN (SELECT claim FROM debt) ORDER BY until_ms LIMIT ?)',
    count,
  )
}
