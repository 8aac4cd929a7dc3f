/** Workspaces that outlive their machines: frozen when idle, and gone on with in a new sandbox. */
import { sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import type { SpaceBody, SpaceState } from '../../../../shared/contracts/spaces.ts'
import { tenant } from './accounts.ts'
import { moment } from './moment.ts'

export const space = pgTable(
  'space',
  {
    id: text().primaryKey(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    name: text().notNull(),
    /** The user of the tenant's whose space it is; null is the tenant's own. */
    externalUser: text('external_user'),
    state: text().$type<SpaceState>().notNull(),
    /** Whoever moves the space says from which revision. */
    revision: integer().notNull(),
    /** The controller that opens or freezes it; see instance.ts. */
    instance: integer().notNull(),
    /** What its sandbox is made of when there is no frozen state to go on from. */
    spec: jsonb().$type<SpaceBody>().notNull(),
    /** The one sandbox that it is in, or is being opened in. */
    sandbox: text(),
    /** The state from which it goes on; null is an empty space. */
    snapshot: text(),
    /** The state that is being kept. */
    nextSnapshot: text('next_snapshot'),
    lastError: text('last_error'),
    createdAt: moment('created_at').notNull(),
    changedAt: moment('changed_at').notNull(),
    openedAt: moment('opened_at'),
    frozenAt: moment('frozen_at'),
  },
  (table) => [
    uniqueIndex('space_name').on(table.tenant, sql`coalesce(${table.externalUser}, '')`, table.name),
    index('space_list').on(table.tenant, table.id),
    index('space_awake').on(table.changedAt).where(sql`${table.state} <> 'frozen'`),
  ],
)

export type SpaceRow = typeof space.$inferSelect
