/** Telling a customer's own server of events. Field names and quirks are those of clients in the field. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { pageQuery } from './accounts.ts'
import { EVENT_PATTERN } from './events.ts'
import { route } from './route.ts'

/** Headers that say what we say, or that belong to the connection. */
const OURS =
  /^(host|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|proxy-.*|user-agent|atoll-.*|miosa-.*)$/i

const headers = z
  .record(
    z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, { error: 'must be a header name' }),
    z
      .string()
      .max(LIMITS.webhookHeaderCharsMax)
      .regex(/^[\x20-\x7e]*$/, { error: 'must be printable ASCII' }),
  )
  .refine((given) => Object.keys(given).length <= LIMITS.webhookHeadersMax, {
    error: `must be at most ${LIMITS.webhookHeadersMax} headers`,
  })
  .refine((given) => !Object.keys(given).some((name) => OURS.test(name)), {
    error: 'must not name headers that the delivery itself has',
  })

const shape = {
  url: z.string().min(1).max(LIMITS.webhookUrlCharsMax),
  /** Names of events, or beginnings: `sandbox.*`. */
  events: z
    .array(z.string().max(LIMITS.nameCharsMax).regex(EVENT_PATTERN, { error: 'must be the name of an event' }))
    .min(1)
    .max(LIMITS.webhookEventsMax),
  name: z
    .string()
    .max(LIMITS.nameCharsMax)
    .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' }),
  headers,
  /** How often a delivery is tried again before it is given up. */
  retry_count: z.int().min(0).max(LIMITS.webhookRetriesMax),
}

export const createWebhookBody = z.object({
  url: shape.url,
  events: shape.events,
  name: shape.name.optional(),
  headers: shape.headers.optional(),
  retry_count: shape.retry_count.optional(),
})
export type CreateWebhookBody = z.infer<typeof createWebhookBody>

export const updateWebhookBody = z.object({ ...shape, active: z.boolean() }).partial()
export type UpdateWebhookBody = z.infer<typeof updateWebhookBody>

export const webhookRecord = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  events: z.array(z.string()),
  /** Values may be credentials, so only the names are told. */
  header_names: z.array(z.string()),
  retry_count: z.int(),
  active: z.boolean(),
  secret_preview: z.string(),
  created_at: z.iso.datetime(),
})
export type WebhookRecord = z.infer<typeof webhookRecord>

export const deliveryRecord = z.object({
  id: z.string(),
  webhook_id: z.string(),
  event_id: z.string(),
  type: z.string(),
  sandbox_id: z.string().nullable(),
  status: z.enum(['pending', 'delivered', 'dead']),
  attempts: z.int(),
  /** When it is tried next; null when it waits for an earlier event of its sandbox, or is finished. */
  next_at: z.iso.datetime().nullable(),
  response_status: z.int().nullable(),
  error: z.string().nullable(),
  created_at: z.iso.datetime(),
  finished_at: z.iso.datetime().nullable(),
})
export type DeliveryRecord = z.infer<typeof deliveryRecord>

export const testAnswer = z.object({
  delivered: z.boolean(),
  /** Of the answer, or null when there was none. */
  status: z.int().nullable(),
  error: z.string().nullable(),
  delivery_id: z.string(),
})
export type TestAnswer = z.infer<typeof testAnswer>

export const deliveriesQuery = z.object({
  status: z.enum(['pending', 'delivered', 'dead']).optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.listRowsMax).optional(),
  cursor: z.string().max(LIMITS.cursorCharsMax).optional(),
})

const one = z.object({ data: webhookRecord })

export const WEBHOOK_ROUTES = {
  create: route({
    method: 'POST',
    path: '/v1/webhooks',
    class: 'home',
    scope: 'webhooks:write',
    once: true,
    summary: 'Tell a server of yours of events. The secret that signs them is in this answer only.',
    body: createWebhookBody,
    status: 201,
    answer: z.object({ data: webhookRecord.extend({ secret: z.string() }) }),
  }),
  list: route({
    method: 'GET',
    path: '/v1/webhooks',
    class: 'home',
    scope: 'webhooks:read',
    summary: 'List the webhooks, newest first.',
    query: pageQuery,
    status: 200,
    answer: z.object({ data: z.array(webhookRecord), next_cursor: z.string().nullable() }),
  }),
  get: route({
    method: 'GET',
    path: '/v1/webhooks/:id',
    class: 'home',
    scope: 'webhooks:read',
    summary: 'Read one webhook.',
    status: 200,
    answer: one,
  }),
  update: route({
    method: 'PATCH',
    path: '/v1/webhooks/:id',
    class: 'home',
    scope: 'webhooks:write',
    summary: 'Change a webhook. What waits for one that is switched off is given up, and may be replayed.',
    body: updateWebhookBody,
    status: 200,
    answer: one,
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/webhooks/:id',
    class: 'home',
    scope: 'webhooks:write',
    summary: 'Remove a webhook.',
    status: 204,
  }),
  test: route({
    method: 'POST',
    path: '/v1/webhooks/:id/test',
    class: 'home',
    scope: 'webhooks:write',
    once: true,
    summary: 'Deliver a test event now, once, and say what came of it.',
    status: 200,
    answer: z.object({ data: testAnswer }),
  }),
  deliveries: route({
    method: 'GET',
    path: '/v1/webhooks/:id/deliveries',
    class: 'list',
    scope: 'webhooks:read',
    summary: 'List what was and is to be delivered, newest first.',
    query: deliveriesQuery,
    status: 200,
    answer: z.object({ data: z.array(deliveryRecord), next_cursor: z.string().nullable() }),
  }),
  replay: route({
    method: 'POST',
    path: '/v1/webhooks/:id/deliveries/:delivery/replay',
    class: 'change',
    scope: 'webhooks:write',
    summary: 'Deliver a finished delivery again, with the same event id.',
    status: 200,
    answer: z.object({ data: deliveryRecord }),
  }),
  replayDead: route({
    method: 'POST',
    path: '/v1/webhooks/:id/deliveries/replay',
    class: 'sum',
    scope: 'webhooks:write',
    summary: 'Deliver again everything that was given up, up to a bound at a time.',
    status: 200,
    answer: z.object({ data: z.object({ replayed: z.int() }) }),
  }),
} as const
