/** Reading the webhooks of one tenant and their deliveries. Whatever belongs to another tenant does not exist here. */
import { and, desc, eq, getTableColumns, isNull, lt, type SQL, sql } from 'drizzle-orm'
import type * as z from 'zod'
import type { pageQuery } from '../../../shared/contracts/accounts.ts'
import type { deliveriesQuery } from '../../../shared/contracts/webhooks.ts'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { delivery, webhook } from '../database/schema/events.ts'
import type { Tx } from '../events/publish.ts'
import { notACursor } from '../not-a-cursor.ts'

export type WebhookRow = typeof webhook.$inferSelect

export const webhookNotFound = (): AppError => new AppError('not_found', 'There is no such webhook.')
export const deliveryNotFound = (): AppError => new AppError('not_found', 'There is no such delivery.')

const ofTenant = (tenant: string) => and(eq(webhook.tenant, tenant), isNull(webhook.deletedAt))

export type WebhooksPage = { rows: WebhookRow[]; nextCursor: string | null }

/** Newest first. The cursor is the id of the last, which may have been removed since. Throws invalid_request for one that never was. */
export async function listWebhooks(
  db: Db,
  tenant: string,
  { limit, cursor }: z.infer<typeof pageQuery>,
): Promise<WebhooksPage> {
  const found = await db
    .select()
    .from(webhook)
    .where(and(ofTenant(tenant), cursor === undefined ? undefined : below(await placeOf(db, tenant, cursor))))
    .orderBy(desc(webhook.createdAt), desc(webhook.id))
    .limit(limit + 1)
  const rows = found.slice(0, limit)
  return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.id ?? null) : null }
}

type Place = { id: string; at: string }

/** The moment as text, because a date of JavaScript is coarser than what it is compared with. */
async function placeOf(db: Db, tenant: string, cursor: string): Promise<Place> {
  const [place] = await db
    .select({ id: webhook.id, at: sql<string>`${webhook.createdAt}::text` })
    .from(webhook)
    .where(and(eq(webhook.tenant, tenant), eq(webhook.id, cursor)))
  if (place !== undefined) return place
  throw notACursor()
}

const below = ({ id, at }: Place): SQL => sql`(${webhook.createdAt}, ${webhook.id}) < (${at}::timestamptz, ${id})`

export async function findWebhook(db: Db | Tx, tenant: string, id: string): Promise<WebhookRow> {
  // No store takes NUL, and no id of ours has one.
  if (id.includes('\0')) throw webhookNotFound()
  const [row] = await db
    .select()
    .from(webhook)
    .where(and(ofTenant(tenant), eq(webhook.id, id)))
  if (row === undefined) throw webhookNotFound()
  return row
}

const { nextAt: _, ...columns } = getTableColumns(delivery)
/** A date cannot hold infinity, at which whoever waits in line is due. */
const dueAt = sql<Date | null>`nullif(${delivery.nextAt}, 'infinity')`.mapWith(delivery.nextAt)
export const DELIVERY_COLUMNS = { ...columns, dueAt }
export type DeliveryRow = Omit<typeof delivery.$inferSelect, 'nextAt'> & { dueAt: Date | null }

export type DeliveriesPage = { rows: DeliveryRow[]; nextCursor: string | null }

/** Newest first. The cursor may be another region's: it is a place in time, for lists over regions. */
export async function listDeliveries(
  db: Db,
  webhookId: string,
  query: z.infer<typeof deliveriesQuery>,
): Promise<DeliveriesPage> {
  if (query.cursor !== undefined && parseId(query.cursor, 'dlv') === null) throw notACursor()
  const limit = query.limit ?? LIMITS.listRowsMax
  const rows = await db
    .select(DELIVERY_COLUMNS)
    .from(delivery)
    .where(
      and(
        eq(delivery.webhook, webhookId),
        ...(query.status === undefined ? [] : [eq(delivery.status, query.status)]),
        ...(query.cursor === undefined ? [] : [lt(delivery.id, query.cursor)]),
      ),
    )
    .orderBy(desc(delivery.id))
    .limit(limit + 1)
  const page = rows.slice(0, limit)
  return { rows: page, nextCursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null }
}
