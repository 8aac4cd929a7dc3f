/**
 * Takes over from a host who of its sandboxes went where, each entry once: how far it was read stands in the row that is written with the
 * entries, and whoever reads at the same time waits for that row. The host forgets what comes before the place that it is asked from.
 */
import { inArray, sql } from 'drizzle-orm'
import type { EgressEntry } from '../../../shared/contracts/host-egress.ts'
import { CROCKFORD, newId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import { egressAudit } from '../database/schema/egress.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import type { Host } from '../hosts/client.ts'

/** A bounded number of pages; the rest waits for the next turn. */
export async function collectAudit(controller: Controller, host: Host): Promise<void> {
  for (let page = 0; page < LIMITS.egressCollectPagesMax && !controller.isDraining(); page++) {
    const after = await placeIn(controller, host.name)
    const answer = await host.egressLog(after)
    if (answer.kind !== 'done') throw answer.error
    const { entries, next } = answer.value
    if (entries.length > 0) await takeOver(controller, host.name, { after, entries, next })
    if (next === after) return
  }
}

async function placeIn({ database: { db } }: Controller, host: string): Promise<number> {
  const { rows } = await db.execute<{ seq: string }>(sql`select seq from egress_reader where host = ${host}`)
  return Number(rows[0]?.seq ?? 0)
}

type Page = { after: number; entries: EgressEntry[]; next: number }

function takeOver(controller: Controller, host: string, { after, entries, next }: Page): Promise<void> {
  return controller.database.db.transaction(async (tx) => {
    await tx.execute(sql`insert into egress_reader (host, seq) values (${host}, 0) on conflict do nothing`)
    const { rows } = await tx.execute<{ seq: string }>(
      sql`select seq from egress_reader where host = ${host} for update`,
    )
    if (Number(rows[0]?.seq) !== after) return
    const written = await rowsOf(
      controller,
      tx,
      host,
      entries.filter(({ seq }) => seq > after),
    )
    for (let at = 0; at < written.length; at += LIMITS.egressCollectRowsMax)
      await tx.insert(egressAudit).values(written.slice(at, at + LIMITS.egressCollectRowsMax))
    await tx.execute(sql`update egress_reader set seq = ${next} where host = ${host}`)
  })
}

/** Of sandboxes that this host has; a customer's own machine may say anything of others. */
async function rowsOf(
  controller: Controller,
  tx: AccountTx,
  host: string,
  entries: readonly EgressEntry[],
): Promise<(typeof egressAudit.$inferInsert)[]> {
  const ids = [...new Set(entries.map((entry) => entry.sandbox))]
  if (ids.length === 0) return []
  const found = await tx
    .select({ id: sandbox.id, tenant: sandbox.tenant, externalUser: sandbox.externalUserId, host: sandbox.host })
    .from(sandbox)
    .where(inArray(sandbox.id, ids))
  const owners = new Map(found.filter((row) => row.host === host).map((row) => [row.id, row]))
  const nowMs = controller.clock()
  return entries.flatMap((entry, index) => {
    const owner = owners.get(entry.sandbox)
    return owner === undefined ? [] : [rowOf(entry, owner, { nowMs, id: auditId(controller, nowMs, index) })]
  })
}

const rowOf = (
  entry: EgressEntry,
  { tenant, externalUser }: { tenant: string; externalUser: string | null },
  { nowMs, id }: { nowMs: number; id: string },
): typeof egressAudit.$inferInsert => ({
  id,
  tenant,
  sandbox: entry.sandbox,
  externalUser,
  host: storable(entry.host, LIMITS.hostNameCharsMax),
  port: entry.port,
  method: entry.method === undefined ? null : storable(entry.method, LIMITS.nameCharsMax),
  path: entry.path === undefined ? null : storable(entry.path, LIMITS.egressPathCharsMax),
  action: entry.action,
  reason: entry.reason,
  rule: entry.rule === undefined ? null : storable(entry.rule, LIMITS.nameCharsMax),
  bytesUp: entry.bytes_up,
  bytesDown: entry.bytes_down,
  missed: entry.missed,
  // Of a clock that is nobody's but the host's; no store takes what no date can be.
  at: new Date(Math.min(Math.max(entry.at_ms, 0), nowMs)),
  insertedAt: new Date(nowMs),
})

/** A guest chose these words. */
const storable = (text: string, charsMax: number): string => text.replaceAll('\0', '').toWellFormed().slice(0, charsMax)

const INDEX_CHARS = 4
const ID_BYTES = 16

/** What was taken over together keeps its order. */
function auditId({ region, random }: Controller, nowMs: number, index: number): string {
  const bytes = random(ID_BYTES)
  for (let char = 0; char < INDEX_CHARS; char++)
    bytes[char] = Math.floor(index / CROCKFORD.length ** (INDEX_CHARS - 1 - char)) % CROCKFORD.length
  return newId('aud', region.code, nowMs, bytes)
}
