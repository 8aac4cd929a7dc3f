/** What is kept of sandboxes, each on one host. A row is written before its host is asked, and goes after the host has forgotten it. */
import { sql } from 'drizzle-orm'
import { bigint, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import type { EgressWish } from '../../../../shared/egress-wish.ts'
import { tenant } from './accounts.ts'
import { host } from './hosts.ts'
import { moment } from './moment.ts'

/** `deleting` is for nobody but the host: it must forget what it may have. */
export type SnapshotState = 'creating' | 'ready' | 'failed' | 'deleting'

export const snapshot = pgTable(
  'snapshot',
  {
    id: text().primaryKey(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    /** What it was taken of, which may be gone and forgotten. */
    sandbox: text().notNull(),
    /** The user of the tenant's to whom that sandbox belonged. */
    externalUser: text('external_user'),
    host: text()
      .notNull()
      .references(() => host.id),
    /** The space or the template's build whose state it is; such a one is in no list, and ends with that. Its column is named for the first. */
    owner: text('space'),
    state: text().$type<SnapshotState>().notNull(),
    /** The controller that takes it; see instance.ts. */
    instance: integer().notNull(),
    comment: text(),
    template: text().notNull(),
    vcpus: integer().notNull(),
    memoryMib: integer('memory_mib').notNull(),
    diskMib: integer('disk_mib').notNull(),
    env: jsonb().$type<Record<string, string>>().notNull(),
    /** What a sandbox that is made of it has of the way out of the one it was taken of; null is nothing of its own. */
    egress: jsonb().$type<EgressWish>(),
    bytes: bigint({ mode: 'number' }),
    stoppedMs: integer('stopped_ms'),
    lastError: text('last_error'),
    createdAt: moment('created_at').notNull(),
    changedAt: moment('changed_at').notNull(),
  },
  (table) => [
    index('snapshot_list').on(table.tenant, table.id).where(sql`${table.state} <> 'deleting'`),
    index('snapshot_sandbox').on(table.sandbox, table.id),
    index('snapshot_host').on(table.host),
    index('snapshot_failed').on(table.changedAt).where(sql`${table.state} = 'failed'`),
  ],
)

export type SnapshotRow = typeof snapshot.$inferSelect
