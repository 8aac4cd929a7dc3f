/** Tenants without bounds and a key of every scope for each, written as rows: for tests that ask more than any tier allows. */
import { randomBytes } from 'node:crypto'
import { hashKey } from '../../../../origin/controller/accounts/secrets.ts'
import { SCOPES } from '../../../../shared/accounts.ts'
import { newApiKey } from '../../../../shared/ids.ts'
import { PEPPER } from './region.ts'

export type SeededTenant = { id: string; key: string }
type Sql = (text: string, values?: unknown[]) => Promise<unknown[]>

const UNBOUNDED = 1_000_000

export async function seedTenants(sql: Sql, count: number, concurrency: number = UNBOUNDED): Promise<SeededTenant[]> {
  const tenants = Array.from({ length: count }, (_, n) => ({
    id: `tenant_${n}`,
    key: newApiKey('test', randomBytes(32)),
  }))
  const ids = tenants.map(({ id }) => id)
  await sql(
    `insert into tier (name, concurrency, requests_per_minute, max_size, max_timeout_sec, max_body_mib)
     values ('unbounded', ${concurrency}, ${UNBOUNDED}, 'xl', 86400, 4)`,
  )
  await sql(`insert into tenant (id, name, tier) select id, id, 'unbounded' from unnest($1::text[]) id`, [ids])
  await sql(`insert into quota_grant (tenant, granted) select id, ${concurrency} from unnest($1::text[]) id`, [ids])
  await sql(
    `insert into api_key (id, hash, tenant, tier, scopes, status, key_version)
     select 'key_' || tenant, hash, tenant, 'unbounded', $3, 'active', 1 from unnest($1::text[], $2::text[]) as row (tenant, hash)`,
    [ids, tenants.map(({ key }) => hashKey(PEPPER, key)), [...SCOPES]],
  )
  return tenants
}
