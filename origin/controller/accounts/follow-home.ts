/**
 * A region that is not the home takes over what the home tells, in order, and remembers its place with it in one transaction.
 *
 * Cut off from home it goes on with what it has: keys, tiers and tenants are all in its own database. Several controllers may do
 * this at once without harm, because a row is only ever replaced by a newer one.
 */
import { sql } from 'drizzle-orm'
import { request } from 'undici'
import { type AccountPage, accountPage } from '../../../shared/contracts/account-feed.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { ACCOUNT_TABLES, takeOver } from './account-tables.ts'
import { readPlace, writePlace } from './places.ts'
import type { AccountTx } from './write-account.ts'

/** One page; waits at the home until there is one, or for a while. Throws when the home does not answer. */
export async function followHome(controller: Controller, homeUrl: string, stopping: AbortSignal): Promise<void> {
  const { accounts, database } = controller
  const after = await readPlace(database.db, 'home')
  const page = await askHome(homeUrl, accounts.internalToken, after, stopping)
  if (await takePage(database.db, after, page)) accounts.changed()
}

async function askHome(homeUrl: string, token: string, after: number, signal: AbortSignal): Promise<AccountPage> {
  const url = new URL('/internal/v1/accounts/changes', homeUrl)
  url.search = new URLSearchParams({ after: String(after), wait_ms: String(LIMITS.accountsFeedWaitMsMax) }).toString()
  const answer = await request(url, {
    headers: { authorization: `Bearer ${token}` },
    headersTimeout: LIMITS.accountsFeedWaitMsMax + LIMITS.accountsFeedMs,
    bodyTimeout: LIMITS.accountsFeedMs,
    signal,
  })
  if (answer.statusCode !== 200) {
    await answer.body.dump()
    throw new Error(`The home region answered ${answer.statusCode}.`)
  }
  return accountPage.parse(await answer.body.json()).data
}

/** Whether anything may have changed. A page for a place that was left meanwhile is dropped. */
export function takePage(db: Db, after: number, page: AccountPage): Promise<boolean> {
  return db.transaction(async (tx) => {
    await writePlaceOnce(tx)
    const { rows } = await tx.execute<{ version: string }>(
      sql`select version from account_reader where name = 'home' for update`,
    )
    if (Number(rows[0]?.version) !== after) return true
    for (const name of ACCOUNT_TABLES) {
      const changed = page.rows[name] ?? []
      if (changed.length > 0) await tx.execute(takeOver(name, changed))
    }
    if (page.is_complete) await goByFloor(tx, page.floor)
    await writePlace(tx, 'home', page.place)
    return page.place !== after
  })
}

const writePlaceOnce = (tx: AccountTx) =>
  tx.execute(sql`insert into account_reader (name, version) values ('home', 0) on conflict do nothing`)

/** What the home told before it was restored, and does not know any more, ends. */
async function goByFloor(tx: AccountTx, floor: number): Promise<void> {
  if ((await readPlace(tx, 'home_floor')) >= floor) return
  await tx.execute(sql`update api_key set status = 'revoked' where version < ${floor}`)
  await tx.execute(sql`update retired_secret set expires_at = least(expires_at, now()) where version < ${floor}`)
  await tx.execute(sql`update external_limit set concurrency = null where version < ${floor}`)
  await tx.execute(sql`update webhook set active = false where version < ${floor}`)
  // A change, too, so that hosts hear of it.
  for (const name of ['egress_policy', 'egress_rule', 'egress_secret', 'egress_binding'] as const)
    await tx.execute(
      sql`update ${sql.identifier(name)} set deleted_at = coalesce(deleted_at, now()), version = ${floor} where version < ${floor}`,
    )
  await writePlace(tx, 'home_floor', floor)
}
