/** The machines of this region: what each offers (its own word, by the poll) and what of that is promised (by the trigger). */
import { sql } from 'drizzle-orm'
import { bigint, boolean, check, index, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { tenant } from './accounts.ts'
import { moment } from './moment.ts'

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
    /** What its owner calls it; null is its id. */
    name: text(),
    /** Its owner's word: nothing new is placed there. `draining` is the host's own. */
    cordoned: boolean().notNull().default(false),
    /** Since when its owner waits for the last sandbox to go; such a host is cordoned, too. */
    drainStartedAt: moment('drain_started_at'),
    /** A customer's own machine: only that tenant's sandboxes are placed there. */
    tenant: text().references(() => tenant.id),
    /** How to reach one that has joined: https://address:port. Null for those that the configuration names. */
    url: text(),
    /**
     * SHA-256 of its certificate, and, sealed, what a controller says to be let in. One certificate is one row for good: two rows of one machine
     * would each end what the other has there.
     */
    fingerprint: text().unique(),
    secret: text(),
    joinedAt: moment('joined_at'),
    removedAt: moment('removed_at'),
    /** Since it was heard of again, and until all that it still has is known: when it was last heard of before that. */
    awayFrom: moment('away_from'),
  },
  (table) => [
    check('host_reserved', sql`${table.reservedVms} >= 0 and ${table.reservedMemoryMib} >= 0`),
    index('host_tenant').on(table.tenant),
  ],
)

/** A permission to join, good once. */
export const hostToken = pgTable('host_token', {
  id: text().primaryKey(),
  /** Hex SHA-256 of the token. */
  hash: text().notNull().unique(),
  tenant: text().references(() => tenant.id),
  expiresAt: moment('expires_at').notNull(),
  usedAt: moment('used_at'),
  /** The host that came of it. */
  host: text(),
})
