/** Reading the webhooks of one tenant and their deliveries. Whatever belongs to another tenant does not exist here. */
import { and, desc, eq, getTableColumns, isNull, lt, sql } from 'drizzle-orm'
import type * as z from 'zod'
import type { deliveriesQuery } from '../../../shared/contracts/webhooks.ts'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { delivery, webhook } from '../database/schema/events.ts'
import type { Tx } from '../events/publish.ts'

export type WebhookRow = typeof webhook.$inferSelect

export const webhookNotFound = (): AppError => new AppError('not_found', 'There is no such webhook.')
export const deliveryNotFound = (): AppError => new AppError('not_found', 'There is no such delivery.')

const ofTenant = (tenant: string) => and(eq(webhook.tenant, tenant), isNull(webhook.deletedAt))

export const listWebhooks = (db: Db, tenant: string): Promise<WebhookRow[]> =>
  db
    .select()
    .from(webhook)
    .where(ofTenant(tenant))
    .orderBy(desc(webhook.createdAt), desc(webhook.id))
    .limit(LIMITS.webhooksPerTenantMax)

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
  if (query.cursor !== undefined && parseId(query.cursor, 'dlv') === null)
    throw new AppError('invalid_request', 'The cursor is not one of ours.', {
      details: { cursor: ['is not a cursor'] },
    })
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
