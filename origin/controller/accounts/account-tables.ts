/**
 * The tables that the other regions have copies of, parents before children.
 *
 * Rows travel as the JSON that Postgres makes of them, by the names of their columns. A region that is older than its home leaves out
 * what it has no column for, so the home region is the first to be brought up to date, and tells everything anew when all are.
 */
import { sql } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import { apiKey, externalLimit, retiredSecret, tenant, tier, workspace } from '../database/schema/accounts.ts'
import { egressBinding, egressPolicy, egressRule, egressSecret } from '../database/schema/egress.ts'
import { webhook } from '../database/schema/events.ts'

export const ACCOUNT_TABLES = [
  'tier',
  'tenant',
  'workspace',
  'api_key',
  'retired_secret',
  'external_limit',
  'webhook',
  'egress_policy',
  'egress_rule',
  'egress_secret',
  'egress_binding',
] as const
export type AccountTable = (typeof ACCOUNT_TABLES)[number]

const TABLES: Record<AccountTable, { table: PgTable; key: string[] }> = {
  tier: { table: tier, key: ['name'] },
  tenant: { table: tenant, key: ['id'] },
  workspace: { table: workspace, key: ['id'] },
  api_key: { table: apiKey, key: ['id'] },
  retired_secret: { table: retiredSecret, key: ['hash'] },
  external_limit: { table: externalLimit, key: ['tenant', 'external_user'] },
  webhook: { table: webhook, key: ['id'] },
  egress_policy: { table: egressPolicy, key: ['id'] },
  egress_rule: { table: egressRule, key: ['id'] },
  egress_secret: { table: egressSecret, key: ['id'] },
  egress_binding: { table: egressBinding, key: ['id'] },
}

/** Each region knows for itself when a key was used there. */
const KEPT_AT_HOME = 'last_used_at'

const names = (columns: readonly string[]) =>
  sql.join(
    columns.map((name) => sql.identifier(name)),
    sql`, `,
  )

/**
 * Takes rows of a table over, each only if it is newer than the one that is there. A key that was revoked is never active again,
 * whatever an older home says.
 */
export function takeOver(name: AccountTable, rows: readonly unknown[]) {
  const { table, key } = TABLES[name]
  const columns = getTableConfig(table)
    .columns.map((column) => column.name)
    .filter((column) => column !== KEPT_AT_HOME)
  const target = sql.identifier(name)
  const assigned = columns.map((column) => {
    const value = sql`excluded.${sql.identifier(column)}`
    const isSticky = name === 'api_key' && column === 'status'
    return sql`${sql.identifier(column)} = ${isSticky ? sql`case when ${target}.status = 'revoked' then 'revoked' else ${value} end` : value}`
  })
  return sql`insert into ${target} (${names(columns)})
    select ${names(columns)} from jsonb_populate_recordset(null::${target}, ${JSON.stringify(rows)}::jsonb)
    on conflict (${names(key)}) do update set ${sql.join(assigned, sql`, `)}
    where ${target}.version < excluded.version`
}
