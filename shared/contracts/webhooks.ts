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
  url: z
    .string()
    .min(1)
    .max(LIMITS.webhookUrlCharsMax)
    .describe('Where deliveries are posted, over `https`. Private addresses are refused.'),
  events: z
    .array(z.string().max(LIMITS.nameCharsMax).regex(EVENT_PATTERN, { error: 'must be the name of an event' }))
    .min(1)
    .max(LIMITS.webhookEventsMax)
    .describe(
      'Names of events, or beginnings: `sandbox.*`, or `*` for all but those of commands, which are `sandbox.exec.*`.',
    ),
  name: z
    .string()
    .max(LIMITS.nameCharsMax)
    .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' })
    .describe('What you call it. Default: empty.'),
  headers: headers.describe(
    'Headers of yours that every delivery carries, as for a credential of your server. Default: none.',
  ),
  retry_count: z
    .int()
    .min(0)
    .max(LIMITS.webhookRetriesMax)
    .describe(`How often a delivery is tried again before it is given up. Default: ${LIMITS.webhookRetriesDefault}.`),
}

export const createWebhookBody = z.object({
  url: shape.url,
  events: shape.events,
  name: shape.name.optional(),
  headers: shape.headers.optional(),
  retry_count: shape.retry_count.optional(),
})
export type CreateWebhookBody = z.infer<typeof createWebhookBody>

export const updateWebhookBody = z
  .object({ ...shape, active: z.boolean().describe('False: nothing is delivered, and what waits is given up.') })
  .partial()
export type UpdateWebhookBody = z.infer<typeof updateWebhookBody>

export const webhookRecord = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  events: z.array(z.string()).describe('Names of events, or beginnings.'),
  header_names: z
    .array(z.string())
    .describe('The headers of yours that deliveries carry. Values may be credentials, so only the names are told.'),
  retry_count: z.int().describe('How often a delivery is tried again before it is given up.'),
  active: z.boolean().describe('Whether anything is delivered to it.'),
  secret_preview: z.string().describe('How its secret begins, to tell it from others.'),
  created_at: z.iso.datetime(),
})
export type WebhookRecord = z.infer<typeof webhookRecord>

export const deliveryRecord = z.object({
  id: z.string(),
  webhook_id: z.string(),
  event_id: z.string().describe('The `id` in the body: the same in every attempt and replay.'),
  type: z.string().describe('The name of the event.'),
  sandbox_id: z.string().nullable().describe('The sandbox that the event is of; null for a test.'),
  status: z.enum(['pending', 'delivered', 'dead']).describe('`dead` was given up, and can be replayed.'),
  attempts: z.int().describe('How often it was tried.'),
  next_at: z.iso
    .datetime()
    .nullable()
    .describe('When it is tried next; null when it waits for an earlier event of its sandbox, or is finished.'),
  response_status: z.int().nullable().describe('The status of the last answer; null when there was none.'),
  error: z.string().nullable().describe('What went wrong last; null when nothing did.'),
  created_at: z.iso.datetime(),
  finished_at: z.iso.datetime().nullable().describe('When it was delivered or given up.'),
})
export type DeliveryRecord = z.infer<typeof deliveryRecord>

export const testAnswer = z.object({
  delivered: z.boolean().describe('Whether the answer was a success.'),
  status: z.int().nullable().describe('Of the answer, or null when there was none.'),
  error: z.string().nullable().describe('What went wrong; null when nothing did.'),
  delivery_id: z.string(),
})
export type TestAnswer = z.infer<typeof testAnswer>

export const deliveriesQuery = z.object({
  status: z.enum(['pending', 'delivered', 'dead']).optional().describe('Only those with this status. Default: all.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .optional()
    .describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: z.string().max(LIMITS.cursorCharsMax).optional().describe('The id of the last row of the page before.'),
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
    answer: z.object({
      data: webhookRecord.extend({ secret: z.string().describe('What deliveries are signed with.') }),
    }),
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
    answer: z.object({ data: z.object({ replayed: z.int().describe('How many deliveries were put back.') }) }),
  }),
} as const
