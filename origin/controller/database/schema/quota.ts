/** This region's share of each tenant's concurrency, and how much of it is used. The row is the lock under which slots are taken. */
import { sql } from 'drizzle-orm'
import { bigint, check, index, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { tenant } from './accounts.ts'
import { moment } from './moment.ts'

export const quotaGrant = pgTable(
  'quota_grant',
  {
    tenant: text()
      .primaryKey()
      .references(() => tenant.id),
    granted: integer().notNull(),
    used: integer().notNull().default(0),
    /** Drawn anew for every exchange with the authority; an answer to an older one is late and changes nothing. */
    epoch: bigint({ mode: 'number' }).notNull().default(0),
    limitVersion: bigint('limit_version', { mode: 'number' }).notNull().default(0),
    /** While one controller asks for more, the others of the region wait for what it brings instead of overtaking it. */
    askingUntil: moment('asking_until').notNull().default(sql`'-infinity'`),
    /** When the authority last heard of this share; infinity when there is nothing to hear. */
    reportedAt: moment('reported_at').notNull().default(sql`'infinity'`),
  },
  (table) => [check('quota_grant_used', sql`${table.used} >= 0`), index('quota_grant_reported').on(table.reportedAt)],
)
