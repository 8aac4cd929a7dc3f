/**
 * Who may do what. These rows are written in the home region only; every other region has the copy that its feed brings.
 * `version` is drawn anew with every write, under one lock, so that a reader who goes on after the highest it has seen misses none.
 */
import { bigint, index, integer, jsonb, pgSequence, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'
import type { KeyLimits } from '../../../../shared/accounts.ts'
import type { SizeName } from '../../../../shared/machines.ts'
import { moment } from './moment.ts'

export const accountVersion = pgSequence('account_version')

const version = () => bigint({ mode: 'number' }).notNull().default(0)

export const tier = pgTable('tier', {
  name: text().primaryKey(),
  concurrency: integer().notNull(),
  requestsPerMinute: integer('requests_per_minute').notNull(),
  maxSize: text('max_size').$type<SizeName>().notNull(),
  maxTimeoutSec: integer('max_timeout_sec').notNull(),
  maxBodyMib: integer('max_body_mib').notNull(),
  version: version(),
})

export const tenant = pgTable('tenant', {
  id: text().primaryKey(),
  name: text().notNull(),
  tier: text()
    .notNull()
    .references(() => tier.name),
  status: text().$type<'active' | 'suspended'>().notNull().default('active'),
  createdAt: moment('created_at').notNull().defaultNow(),
  version: version(),
})

/** What a tenant's sandboxes are grouped by, in lists and on bills. */
export const workspace = pgTable(
  'workspace',
  {
    id: text().primaryKey(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    slug: text().notNull(),
    name: text().notNull(),
    status: text().$type<'active' | 'deleted'>().notNull().default('active'),
    createdAt: moment('created_at').notNull().defaultNow(),
    version: version(),
  },
  (table) => [uniqueIndex('workspace_slug').on(table.tenant, table.slug)],
)

export const apiKey = pgTable(
  'api_key',
  {
    id: text().primaryKey(),
    /** Hex HMAC-SHA256(pepper, key). The key itself is stored nowhere. */
    hash: text().notNull().unique(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    tier: text()
      .notNull()
      .references(() => tier.name),
    scopes: text().array().notNull(),
    status: text().$type<'active' | 'revoked'>().notNull(),
    expiresAt: moment('expires_at'),
    pin: text(),
    keyVersion: integer('key_version').notNull(),
    name: text().notNull().default(''),
    type: text().$type<'user' | 'scoped'>().notNull().default('user'),
    purpose: text(),
    /** The first characters of the key, by which its owner tells it from others. */
    prefix: text().notNull().default(''),
    /** A key of one of the tenant's own users: it sees and makes only what belongs to that user. */
    externalUser: text('external_user'),
    /** What of the tier's limits is tighter for this key. */
    limits: jsonb().$type<KeyLimits>(),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** To the minute, and written at most once a minute. Each region keeps its own. */
    lastUsedAt: moment('last_used_at'),
    version: version(),
  },
  (table) => [index('api_key_tenant').on(table.tenant, table.id), index('api_key_version').on(table.version)],
)

/** Secrets that a key had before it was given a new one. Each is good until its end, and is kept so that every copy hears of that. */
export const retiredSecret = pgTable(
  'retired_secret',
  {
    hash: text().primaryKey(),
    key: text().notNull(),
    /** Which secret of the key it was. */
    keyVersion: integer('key_version').notNull(),
    expiresAt: moment('expires_at').notNull(),
    version: version(),
  },
  (table) => [index('retired_secret_key').on(table.key), index('retired_secret_version').on(table.version)],
)

/** How much one of a tenant's own users may have at a time, in each region. */
export const externalLimit = pgTable(
  'external_limit',
  {
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    externalUser: text('external_user').notNull(),
    /** Null after it was taken back: a row is never deleted, so that a copy that lags hears of it. */
    concurrency: integer(),
    version: version(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.externalUser] })],
)

/** Tickets for a stream that were used in this region. A ticket is good once, and gone from here when it has expired. */
export const usedTicket = pgTable('used_ticket', {
  id: text().primaryKey(),
  expiresAt: moment('expires_at').notNull(),
})

/** How far something that reads the accounts in order of version has come: another region's feed, the push to the edge. */
export const accountReader = pgTable('account_reader', {
  name: text().primaryKey(),
  version: bigint({ mode: 'number' }).notNull(),
})
