/** The outbox, and who is told of what is in it. */
import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, jsonb, pgSequence, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { tenant } from './accounts.ts'
import { moment } from './moment.ts'

/** Places in the order in which events are told. Drawn by one publisher at a time, so without gaps that fill later. */
export const eventPosition = pgSequence('event_position')

/**
 * Written in the transaction that changed the sandbox. `id` keeps the order of one sandbox (its row is locked when it is drawn) but
 * not of several, since transactions end in another order than they began. `position` is given afterwards, to what can be seen, and
 * is what readers go by.
 */
export const event = pgTable(
  'event',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    sandbox: text().notNull(),
    tenant: text().notNull(),
    /** The user of the tenant's to whom the sandbox belongs. */
    externalUser: text('external_user'),
    type: text().notNull(),
    data: jsonb().$type<Record<string, unknown>>().notNull(),
    ts: moment('ts').notNull(),
    position: bigint({ mode: 'number' }),
  },
  (table) => [
    index('event_unpublished').on(table.id).where(sql`${table.position} is null`),
    uniqueIndex('event_by_position').on(table.position).where(sql`${table.position} is not null`),
    index('event_sandbox_position').on(table.sandbox, table.position),
    index('event_of_command').on(table.ts).where(sql`${table.type} like 'sandbox.exec.%'`),
    index('event_tenant_position').on(table.tenant, table.position),
  ],
)

/** Where a tenant wants to hear of events. Part of the accounts: written at home, copied by the feed. */
export const webhook = pgTable(
  'webhook',
  {
    id: text().primaryKey(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    name: text().notNull().default(''),
    url: text().notNull(),
    /** Names, or beginnings that end in `*`. */
    events: text().array().notNull(),
    headers: jsonb().$type<Record<string, string>>().notNull(),
    /** Sealed under the installation's secret; empty once the webhook was removed. */
    secret: text().notNull(),
    retryCount: integer('retry_count').notNull(),
    active: boolean().notNull(),
    deletedAt: moment('deleted_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
    version: bigint({ mode: 'number' }).notNull().default(0),
  },
  (table) => [index('webhook_tenant').on(table.tenant, table.id)],
)

/** One event on its way to one webhook, made in the transaction that gives the event its position. */
export const delivery = pgTable(
  'delivery',
  {
    id: text().primaryKey(),
    webhook: text()
      .notNull()
      .references(() => webhook.id),
    tenant: text().notNull(),
    eventId: text('event_id').notNull(),
    type: text().notNull(),
    /** For the order: a delivery waits for those of the same webhook and sandbox before it. Null for a test. */
    sandbox: text(),
    position: bigint({ mode: 'number' }),
    /** The body, byte for byte as it is signed and sent. */
    body: text().notNull(),
    status: text().$type<'pending' | 'delivered' | 'dead'>().notNull(),
    attempts: integer().notNull().default(0),
    /** Infinity while it waits in line behind an earlier one of the same webhook and sandbox. */
    nextAt: moment('next_at').notNull(),
    /** Of the last attempt. */
    responseStatus: integer('response_status'),
    error: text(),
    createdAt: moment('created_at').notNull(),
    finishedAt: moment('finished_at'),
  },
  (table) => [
    // Each webhook is looked at by itself, so that what waits for one hides nothing of another.
    index('delivery_due').on(table.webhook, table.nextAt).where(sql`${table.status} = 'pending'`),
    index('delivery_order').on(table.webhook, table.sandbox, table.position).where(sql`${table.status} = 'pending'`),
    index('delivery_webhook').on(table.webhook, table.id),
    index('delivery_finished').on(table.finishedAt).where(sql`${table.finishedAt} is not null`),
  ],
)
