/** The ports of sandboxes that their owners have opened to visitors. A port without a row is shut. */
import { index, integer, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
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

/** Shares that can be revoked one by one. A token of one is worth nothing without its row. */
export const previewShare = pgTable(
  'preview_share',
  {
    id: text().primaryKey(),
    preview: text()
      .notNull()
      .references(() => preview.id, { onDelete: 'cascade' }),
    /** Of its preview, when it was made. */
    round: integer().notNull(),
    expiresAt: moment('expires_at').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [index('preview_share_preview').on(table.preview)],
)

export type PreviewShareRow = typeof previewShare.$inferSelect
export type PreviewRow = typeof preview.$inferSelect
