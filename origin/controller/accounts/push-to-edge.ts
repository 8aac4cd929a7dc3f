/**
 * The home region tells the edge of its keys and tiers, in the order of versions, until it is told; no request ever waits for it.
 *
 * Revoking writes `revoked`, so that a copy that is filled late cannot bring the key back. KV has no compare-and-set: when two
 * controllers tell at the same time (the lead has just passed on), the later may have been overwritten by the earlier. The one that
 * finds the place moved therefore puts it back to where it began, and all of that is told again.
 */
import { sql } from 'drizzle-orm'
import { request } from 'undici'
import type { KeyRecord } from '../../../shared/accounts.ts'
import { EDGE_RECORDS_PATH, type EdgeRecords } from '../../../shared/contracts/account-feed.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type KeyRow, recordOfRow } from './key-record.ts'
import { readPlace, writePlace } from './places.ts'
import { lastVersion, standStill, versionOfRow } from './read-changes.ts'
import { readTiers } from './tiers.ts'
import type { AccountTx } from './write-account.ts'

/** All tiers. Said once by every process that leads, because without them the edge serves nobody, and KV may have been lost. */
export async function pushTiers(controller: Controller, edgeUrl: string, stopping: AbortSignal): Promise<void> {
  const tiers = await readTiers(controller.database.db)
  await tellEdge(controller, edgeUrl, { keys: [], tiers }, stopping)
}

/** One page. Says whether there may be more. Throws when the edge does not take it. */
export async function pushToEdge(controller: Controller, edgeUrl: string, stopping: AbortSignal): Promise<boolean> {
  const { db } = controller.database
  const from = await readPlace(db, 'edge')
  if (from >= (await lastVersion(db))) return false
  const page = await readPage(db, from)
  for (const records of portionsOf(page.records)) await tellEdge(controller, edgeUrl, records, stopping)
  await moveOn(db, from, page.place)
  return true
}

/** One change may concern every key of a tenant, and the edge takes only so many at a time. */
function portionsOf({ keys, tiers }: EdgeRecords): EdgeRecords[] {
  const portions: EdgeRecords[] = tiers === undefined ? [] : [{ keys: [], tiers }]
  for (let at = 0; at < keys.length; at += LIMITS.edgePushRowsMax)
    portions.push({ keys: keys.slice(at, at + LIMITS.edgePushRowsMax) })
  return portions
}

async function tellEdge(
  { accounts }: Controller,
  edgeUrl: string,
  records: EdgeRecords,
  stopping: AbortSignal,
): Promise<void> {
  const answer = await request(new URL(EDGE_RECORDS_PATH, edgeUrl), {
    method: 'PUT',
    headers: { authorization: `Bearer ${accounts.internalToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(records),
    headersTimeout: LIMITS.edgePushMs,
    bodyTimeout: LIMITS.edgePushMs,
    signal: stopping,
  })
  await answer.body.dump()
  if (answer.statusCode !== 204) throw new Error(`The edge answered ${answer.statusCode}.`)
}

function readPage(db: Db, from: number): Promise<{ place: number; records: EdgeRecords }> {
  return db.transaction(async (tx) => {
    const last = await standStill(tx)
    const place = (await versionOfRow(tx, ['api_key', 'retired_secret'], from, LIMITS.edgePushRowsMax)) ?? last
    const keys = await keysBetween(tx, from, place)
    const { rows } = await tx.execute(sql`select from tier where version > ${from} limit 1`)
    return { place, records: { keys, ...(rows.length === 0 ? {} : { tiers: await readTiers(tx) }) } }
  })
}

/** With every changed key also the old secrets of it that are still good, because their records say what the key may, too. */
async function keysBetween(tx: AccountTx, from: number, to: number): Promise<{ hash: string; record: KeyRecord }[]> {
  const { rows } = await tx.execute<KeyRow>(sql`
    select s.hash, k.id, k.tenant, k.tier, k.scopes, k.pin, k.limits, k.external_user, s.key_version,
      k.status = 'active' and t.status = 'active' as usable,
      (extract(epoch from least(k.expires_at, s.expires_at)) * 1000)::bigint as expires
    from api_key k
    join tenant t on t.id = k.tenant
    join lateral (
      select k.hash, k.key_version, null::timestamptz as expires_at where k.version > ${from} and k.version <= ${to}
      union all
      select r.hash, r.key_version, r.expires_at from retired_secret r
      where r.key = k.id and (r.version > ${from} or r.expires_at > now())
    ) s on true
    where (k.version > ${from} and k.version <= ${to})
      or k.id in (select key from retired_secret where version > ${from} and version <= ${to})`)
  return rows.map((row) => ({ hash: row.hash, record: recordOfRow(row) }))
}

async function moveOn(db: Db, from: number, to: number): Promise<void> {
  await db.transaction(async (tx) => {
    const { rows } = await tx.execute<{ version: string }>(
      sql`select version from account_reader where name = 'edge' for update`,
    )
    const now = Number(rows[0]?.version ?? 0)
    await writePlace(tx, 'edge', now === from ? to : Math.min(now, from))
  })
}
