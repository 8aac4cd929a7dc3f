/** What is metered. Intervals are opened and closed by the trigger on the sandbox, in the transaction that changes its state. */
import { sql } from 'drizzle-orm'
import { bigint, date, index, integer, numeric, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { moment } from './moment.ts'

export const usageInterval = pgTable(
  'usage_interval',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    sandbox: text().notNull(),
    tenant: text().notNull(),
    workspace: text(),
    externalUser: text('external_user'),
    state: text().$type<'running' | 'paused'>().notNull(),
    vcpus: integer().notNull(),
    memoryMib: integer('memory_mib').notNull(),
    diskMib: integer('disk_mib').notNull(),
    openedAt: moment('opened_at').notNull(),
    closedAt: moment('closed_at'),
  },
  (table) => [
    uniqueIndex('usage_open').on(table.sandbox).where(sql`${table.closedAt} is null`),
    index('usage_tenant').on(table.tenant, table.openedAt, table.id),
    // What is asked for is nearly always the last weeks of years: all that was still open after a point in time.
    index('usage_tenant_closed').on(table.tenant, sql`coalesce(${table.closedAt}, 'infinity')`),
    index('usage_sandbox').on(table.sandbox, table.id),
  ],
)

/** Exact, so that a sum of many small costs is their sum. */
const price = (name: string) => numeric(name, { precision: 15, scale: 9, mode: 'number' }).notNull()

/** What a unit costs from a day on, in UTC. The row with the latest day that is not after the usage counts. All have one currency. */
export const rate = pgTable('rate', {
  since: date({ mode: 'string' }).primaryKey(),
  currency: text().notNull(),
  /** Each per hour: a virtual CPU and a GiB of memory of a running sandbox, a GiB of memory of a paused one, a GiB of disk of either. */
  vcpu: price('vcpu'),
  memoryGib: price('memory_gib'),
  pausedMemoryGib: price('paused_memory_gib'),
  diskGib: price('disk_gib'),
})
