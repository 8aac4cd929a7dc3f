/** Webhooks and deliveries as callers see them, from their rows. Pure. */
import type { DeliveryRecord, WebhookRecord } from '../../../shared/contracts/webhooks.ts'
import type { webhook } from '../database/schema/events.ts'
import type { DeliveryRow } from './read-webhooks.ts'

const PREVIEW_CHARS = 10

export function toWebhookRecord(row: typeof webhook.$inferSelect, secret: string): WebhookRecord {
  return {
    id: row.id,
    name: row.name,
    url: row.url,
    events: row.events,
    header_names: Object.keys(row.headers),
    retry_count: row.retryCount,
    active: row.active,
    secret_preview: `${secret.slice(0, PREVIEW_CHARS)}…`,
    created_at: row.createdAt.toISOString(),
  }
}

export const toDeliveryRecord = (row: DeliveryRow): DeliveryRecord => ({
  id: row.id,
  webhook_id: row.webhook,
  event_id: row.eventId,
  type: row.type,
  sandbox_id: row.sandbox,
  status: row.status,
  attempts: row.attempts,
  next_at: row.status === 'pending' ? (row.dueAt?.toISOString() ?? null) : null,
  response_status: row.responseStatus,
  error: row.error,
  created_at: row.createdAt.toISOString(),
  finished_at: row.finishedAt?.toISOString() ?? null,
})
