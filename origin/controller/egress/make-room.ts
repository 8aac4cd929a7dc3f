/**
 * What was said of one sandbox holds for nothing once that has ended, and makes room for what is new. What became of another region's
 * only that one knows, so what was said of those stays until somebody removes it.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { AccountTx } from '../accounts/write-account.ts'
import { egressBinding, egressSecret } from '../database/schema/egress.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { snapshot } from '../database/schema/snapshots.ts'
import { type EgressTable, kept, requireRoom } from './rows-of-tenant.ts'

/** Who says something, and as which change of the accounts. */
type Saying = { tenant: string; version: number; region: { code: string } }

/** Of all that a tenant has said. Throws account_limit. */
export async function requireRoomOfTenant(
  tx: AccountTx,
  table: EgressTable,
  saying: Saying,
  max: number,
  what: string,
): Promise<void> {
  const ofTenant = kept(table, saying.tenant)
  if ((await tx.$count(table, ofTenant)) < max) return
  if (table === egressSecret) await endWhatIsOver(tx, egressBinding, saying)
  await endWhatIsOver(tx, table, saying)
  await requireRoom(tx, table, ofTenant, max, what)
}

async function endWhatIsOver(tx: AccountTx, table: EgressTable, { tenant, version, region }: Saying): Promise<void> {
  const isSecret = table === egressSecret
  await tx.execute(sql`
    update ${table} as said set deleted_at = clock_timestamp(), version = ${version}
      ${isSecret ? sql`, value = '', masked_value = ''` : sql``}
    where said.tenant = ${tenant} and said.deleted_at is null and starts_with(said.resource, ${`sbx_${region.code}_`})
      and not exists (select from ${sandbox} where id = said.resource and state <> 'destroyed')
      ${isSecret ? nobodyElseHas(tenant) : sql``}`)
}

/** A secret goes on with whatever was made of its sandbox, and may be bound to others. */
const nobodyElseHas = (tenant: string): SQL => sql`
  and not exists (select from ${egressBinding} where secret = said.id and deleted_at is null)
  and not exists (select from ${sandbox} as made where made.tenant = ${tenant} and made.state <> 'destroyed'
    and jsonb_exists(made.egress -> 'secrets', said.id))
  and not exists (select from ${snapshot} as made where made.tenant = ${tenant} and made.state <> 'deleting'
    and jsonb_exists(made.egress -> 'secrets', said.id))`
