/** What was answered under which Idempotency-Key. */
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { moment } from './moment.ts'

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
