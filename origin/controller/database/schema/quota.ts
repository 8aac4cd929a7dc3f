/** This region's share of each tenant's concurrency, and how much of it is used. The row is the lock under which slots are taken. */
import { sql } from 'drizzle-orm'
import { bigint, check, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { tenant } from './accounts.ts'

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
  },
  (table) => [check('quota_grant_used', sql`${table.used} >= 0`)],
)
