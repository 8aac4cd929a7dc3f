/**
 * The tables of a region. Migrations are made from this file by drizzle-kit; what follows from a change of a sandbox's row
 * (the tenant's slot, the host's room, the event) is done by the trigger in migrations/0001, so that no writer can forget it.
 */
import { getTableColumns, sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { BOOT_PATHS } from '../../../shared/contracts/host.ts'
import type { SandboxState } from '../../../shared/lifecycle.ts'
import type { SizeName } from '../../../shared/machines.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** Numbers the controllers of a region, so that a row can say whose request made it; see instance.ts. */
export const controllerInstance = pgSequence('controller_instance', { maxValue: 2_147_483_647, cycle: true })

export const tier = pgTable('tier', {
  name: text().primaryKey(),
  concurrency: integer().notNull(),
  requestsPerMinute: integer('requests_per_minute').notNull(),
  maxSize: text('max_size').$type<SizeName>().notNull(),
  maxTimeoutSec: integer('max_timeout_sec').notNull(),
  maxBodyMib: integer('max_body_mib').notNull(),
})

export const tenant = pgTable('tenant', {
  id: text().primaryKey(),
  name: text().notNull(),
  tier: text()
    .notNull()
    .references(() => tier.name),
})

export const apiKey = pgTable('api_key', {
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
})

/** This region's share of a tenant's concurrency, and how much of it is used. The row is the lock under which slots are taken. */
export const quotaGrant = pgTable(
  'quota_grant',
  {
    tenant: text()
      .primaryKey()
      .references(() => tenant.id),
    granted: integer().notNull(),
    used: integer().notNull().default(0),
    epoch: bigint({ mode: 'number' }).notNull().default(0),
    limitVersion: bigint('limit_version', { mode: 'number' }).notNull().default(0),
  },
  (table) => [check('quota_grant_used', sql`${table.used} >= 0`)],
)

/** What a host offers (its own word, by the poll) and what of that is promised (by the trigger). */
export const host = pgTable(
  'host',
  {
    id: text().primaryKey(),
    accepting: boolean().notNull(),
    draining: boolean().notNull(),
    offeredVcpus: integer('offered_vcpus').notNull(),
    offeredMemoryMib: bigint('offered_memory_mib', { mode: 'number' }).notNull(),
    offeredDiskMib: bigint('offered_disk_mib', { mode: 'number' }).notNull(),
    offeredVms: integer('offered_vms').notNull(),
    reservedVcpus: integer('reserved_vcpus').notNull().default(0),
    reservedMemoryMib: bigint('reserved_memory_mib', { mode: 'number' }).notNull().default(0),
    reservedDiskMib: bigint('reserved_disk_mib', { mode: 'number' }).notNull().default(0),
    reservedVms: integer('reserved_vms').notNull().default(0),
    lastSeen: moment('last_seen').notNull(),
  },
  (table) => [check('host_reserved', sql`${table.reservedVms} >= 0 and ${table.reservedMemoryMib} >= 0`)],
)

export const sandbox = pgTable(
  'sandbox',
  {
    id: text().primaryKey(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    name: text(),
    state: text().$type<SandboxState>().notNull(),
    revision: integer().notNull(),
    host: text()
      .notNull()
      .references(() => host.id),
    /** The controller that is carrying out the last request on this sandbox; see instance.ts. */
    instance: integer().notNull(),
    template: text().notNull(),
    vcpus: integer().notNull(),
    memoryMib: integer('memory_mib').notNull(),
    diskMib: integer('disk_mib').notNull(),
    timeoutSec: integer('timeout_sec').notNull(),
    idleTimeoutSec: integer('idle_timeout_sec').notNull(),
    alwaysOn: boolean('always_on').notNull(),
    persistent: boolean().notNull(),
    env: jsonb().$type<Record<string, string>>().notNull(),
    metadata: jsonb().$type<Record<string, unknown>>().notNull(),
    tags: text().array().notNull(),
    externalWorkspaceId: text('external_workspace_id'),
    externalUserId: text('external_user_id'),
    externalProjectId: text('external_project_id'),
    bootPath: text('boot_path').$type<(typeof BOOT_PATHS)[number]>(),
    bootMs: integer('boot_ms'),
    lastError: text('last_error'),
    createdAt: moment('created_at').notNull(),
    changedAt: moment('changed_at').notNull(),
    startedAt: moment('started_at'),
    readyAt: moment('ready_at'),
    expiresAt: moment('expires_at'),
    destroyedAt: moment('destroyed_at'),
    /** When the host confirmed that nothing is left of it. Until then it holds room there, whatever its state. */
    releasedAt: moment('released_at'),
  },
  (table) => [
    uniqueIndex('sandbox_name')
      .on(table.tenant, table.name)
      .where(sql`${table.name} is not null and ${table.state} not in ('destroyed', 'error')`),
    // Finding by name looks at failed ones, too, and they pile up.
    index('sandbox_named')
      .on(table.tenant, table.name)
      .where(sql`${table.name} is not null and ${table.state} <> 'destroyed'`),
    index('sandbox_list').on(table.tenant, table.id).where(sql`${table.state} <> 'destroyed'`),
    index('sandbox_list_destroyed').on(table.tenant, table.id).where(sql`${table.state} = 'destroyed'`),
    index('sandbox_holding').on(table.host).where(sql`${table.releasedAt} is null`),
  ],
)

/** What is read of a row: all but the environment, which may be long and secret, and which only a start needs. */
const { env: _, ...columns } = getTableColumns(sandbox)
export const SANDBOX_COLUMNS = columns
export type SandboxRow = Omit<typeof sandbox.$inferSelect, 'env'>

/** The outbox: written in the transaction that changed the sandbox, read in the order of `id`. */
export const event = pgTable(
  'event',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    sandbox: text().notNull(),
    tenant: text().notNull(),
    type: text().notNull(),
    data: jsonb().$type<Record<string, unknown>>().notNull(),
    ts: moment('ts').notNull(),
  },
  (table) => [index('event_sandbox').on(table.sandbox, table.id), index('event_tenant').on(table.tenant, table.id)],
)

/** One row per Idempotency-Key in use. Without a status the request is under way, or its controller died. */
export const idempotency = pgTable(
  'idempotency',
  {
    tenant: text().notNull(),
    route: text().notNull(),
    key: text().notNull(),
    fingerprint: text().notNull(),
    sandbox: text().notNull(),
    instance: integer().notNull(),
    status: integer(),
    /** The body of the answer as it was sent. Text, because jsonb has no NUL and a command may print one. */
    response: text(),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.route, table.key] }),
    index('idempotency_expiry').on(table.expiresAt),
  ],
)
