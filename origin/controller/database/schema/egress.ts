/**
 * Where sandboxes may go. Policies, rules, secrets and bindings are part of the accounts: written at home, copied by the feed. What was removed
 * stays as a row that says so, so that a copy that lags hears of it. Who went out is each region's own to remember.
 */
import { sql } from 'drizzle-orm'
import { bigint, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { EgressEntry, EgressPolicy, EgressRule } from '../../../../shared/contracts/host-egress.ts'
import { tenant } from './accounts.ts'
import { moment } from './moment.ts'

const ofTenant = () => ({
  id: text().primaryKey(),
  tenant: text()
    .notNull()
    .references(() => tenant.id),
  createdAt: moment('created_at').notNull().defaultNow(),
  deletedAt: moment('deleted_at'),
  version: bigint({ mode: 'number' }).notNull().default(0),
})

export const egressPolicy = pgTable(
  'egress_policy',
  {
    ...ofTenant(),
    /** The only sandbox that it is for; null is all of the tenant's. */
    resource: text(),
    name: text().notNull(),
    mode: text().$type<EgressPolicy['mode']>().notNull(),
    defaultEffect: text('default_effect').$type<EgressPolicy['default_effect']>().notNull(),
  },
  (table) => [
    index('egress_policy_tenant').on(table.tenant, table.id),
    index('egress_policy_version').on(table.version),
  ],
)

export const egressRule = pgTable(
  'egress_rule',
  {
    ...ofTenant(),
    resource: text(),
    /** The policy that it is a part of, and ends with. */
    policy: text(),
    host: text().notNull(),
    effect: text().$type<EgressRule['effect']>().notNull(),
    methods: text().array(),
    pathGlob: text('path_glob'),
    ports: integer().array(),
    note: text(),
  },
  (table) => [index('egress_rule_tenant').on(table.tenant, table.id), index('egress_rule_version').on(table.version)],
)

export const egressSecret = pgTable(
  'egress_secret',
  {
    ...ofTenant(),
    resource: text(),
    name: text().notNull(),
    type: text().notNull(),
    scope: text().notNull(),
    exposeAsEnv: text('expose_as_env'),
    /** To which it goes, and to no others. */
    hosts: text().array().notNull(),
    workspaceId: text('workspace_id'),
    ownerUserId: text('owner_user_id'),
    externalUserId: text('external_user_id'),
    externalWorkspaceId: text('external_workspace_id'),
    metadata: jsonb().$type<Record<string, unknown>>().notNull(),
    /** What sandboxes have in its place. */
    placeholder: text().notNull(),
    /** Sealed under the installation's secret; empty once it was removed or has expired. */
    value: text().notNull(),
    maskedValue: text('masked_value').notNull(),
    expiresAt: moment('expires_at'),
    changedAt: moment('changed_at').notNull().defaultNow(),
  },
  (table) => [
    index('egress_secret_tenant').on(table.tenant, table.id),
    index('egress_secret_version').on(table.version),
    index('egress_secret_expiry')
      .on(table.expiresAt)
      .where(sql`${table.expiresAt} is not null and ${table.value} <> ''`),
  ],
)

/** A secret that one sandbox has, whatever the secret itself is for. */
export const egressBinding = pgTable(
  'egress_binding',
  {
    ...ofTenant(),
    secret: text().notNull(),
    resource: text().notNull(),
    exposeAsEnv: text('expose_as_env'),
  },
  (table) => [
    index('egress_binding_tenant').on(table.tenant, table.id),
    index('egress_binding_version').on(table.version),
  ],
)

/** One request of a sandbox to the world, or one that was refused. */
export const egressAudit = pgTable(
  'egress_audit',
  {
    id: text().primaryKey(),
    tenant: text().notNull(),
    sandbox: text().notNull(),
    externalUser: text('external_user'),
    host: text().notNull(),
    port: integer().notNull(),
    method: text(),
    path: text(),
    action: text().$type<EgressEntry['action']>().notNull(),
    reason: text().$type<EgressEntry['reason']>().notNull(),
    rule: text(),
    bytesUp: bigint('bytes_up', { mode: 'number' }).notNull(),
    bytesDown: bigint('bytes_down', { mode: 'number' }).notNull(),
    /** Those right before it that its host could not keep until they were collected. */
    missed: integer().notNull(),
    at: moment('at').notNull(),
    insertedAt: moment('inserted_at').notNull(),
  },
  (table) => [
    index('egress_audit_tenant').on(table.tenant, table.id),
    index('egress_audit_sandbox').on(table.tenant, table.sandbox, table.id),
    index('egress_audit_age').on(table.insertedAt),
  ],
)

/** How far the log of each host was taken over; written with what was taken over. */
export const egressReader = pgTable('egress_reader', {
  host: text().primaryKey(),
  seq: bigint({ mode: 'number' }).notNull(),
})

export type PolicyRow = typeof egressPolicy.$inferSelect
export type RuleRow = typeof egressRule.$inferSelect
export type SecretRow = typeof egressSecret.$inferSelect
export type BindingRow = typeof egressBinding.$inferSelect
export type AuditRow = typeof egressAudit.$inferSelect
