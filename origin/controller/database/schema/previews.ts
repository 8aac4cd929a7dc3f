/** The ports of sandboxes that their owners have opened to visitors. A port without a row is shut. */
import { integer, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import type { Visibility } from '../../../../shared/contracts/previews.ts'
import { moment } from './moment.ts'
import { sandbox } from './sandboxes.ts'

export const preview = pgTable(
  'preview',
  {
    id: text().primaryKey(),
    sandbox: text()
      .notNull()
      .references(() => sandbox.id, { onDelete: 'cascade' }),
    port: integer().notNull(),
    visibility: text().$type<Visibility>().notNull(),
    /** Share tokens name the round in which they were made; the next round ends them all. */
    round: integer().notNull().default(0),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [uniqueIndex('preview_port').on(table.sandbox, table.port)],
)

export type PreviewRow = typeof preview.$inferSelect
