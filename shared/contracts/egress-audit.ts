/** Who of a tenant's sandboxes went where, and who was not let. Kept by each region of its own sandboxes, for a bounded time. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { EGRESS_ACTIONS, EGRESS_REASONS } from './host-egress.ts'
import { route } from './route.ts'

const when = z.iso.datetime({ offset: true })
const days = LIMITS.egressAuditKeptMs / 86_400_000

export const auditQuery = z.object({
  resource_id: z.string().max(LIMITS.nameCharsMax).optional().describe('Only this sandbox, by id. Default: all.'),
  resource_type: z.string().max(LIMITS.nameCharsMax).optional().describe('Always `sandbox`.'),
  external_user_id: z
    .string()
    .max(LIMITS.externalIdCharsMax)
    .optional()
    .describe('Only of sandboxes of this user of yours. Default: all.'),
  external_workspace_id: z
    .string()
    .max(LIMITS.externalIdCharsMax)
    .optional()
    .describe('Only of sandboxes with this `external_workspace_id`. Default: all.'),
  host: z.string().max(LIMITS.hostNameCharsMax).optional().describe('Only to this host. Default: all.'),
  action: z
    .enum(EGRESS_ACTIONS)
    .optional()
    .describe('Only what was `allowed`, `denied`, or failed (`error`). Default: all.'),
  since: when
    .optional()
    .describe(`Only what was written after this moment. Default: all that is kept, which is ${days} days.`),
  until: when.optional().describe('Only what was written before this moment. Default: now.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .optional()
    .describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: z.string().max(LIMITS.cursorCharsMax).optional().describe('The id of the last row of the page before.'),
})
export type AuditQuery = z.infer<typeof auditQuery>

export const auditRecord = z.object({
  id: z.string(),
  resource_id: z.string().describe('The sandbox.'),
  resource_type: z.literal('sandbox'),
  external_user_id: z.string().nullable().describe('Your own user to whom the sandbox belongs, or null.'),
  host: z.string().describe('As it was asked for.'),
  port: z.int(),
  method: z.string().nullable().describe('Null where TLS was passed on unread.'),
  path: z.string().nullable().describe('Without the query; null where TLS was passed on unread.'),
  action: z.enum(EGRESS_ACTIONS),
  reason: z.enum(EGRESS_REASONS).describe('What decided; `audit_only` would have been denied if it were enforced.'),
  rule_id: z
    .string()
    .nullable()
    .describe('The rule that decided, or null; `own_` is one that the sandbox was made with.'),
  bytes_up: z.int().describe('From the sandbox.'),
  bytes_down: z.int().describe('To the sandbox.'),
  missed: z.int().describe('How many entries of the sandbox before this one could not be kept.'),
  timestamp: z.iso.datetime().describe('When it began.'),
  inserted_at: z.iso.datetime().describe('When it was written, by which lists are ordered.'),
})
export type AuditRecord = z.infer<typeof auditRecord>

export const suggestionsQuery = z.object({
  resource_id: z.string().max(LIMITS.nameCharsMax).optional().describe('Only of this sandbox, by id. Default: all.'),
  resource_type: z.string().max(LIMITS.nameCharsMax).optional().describe('Always `sandbox`.'),
})
export type SuggestionsQuery = z.infer<typeof suggestionsQuery>
export const suggestionRecord = z.object({
  id: z.string().describe('The newest entry of its kind.'),
  host: z.string(),
  effect: z.literal('allow'),
  port: z.int(),
  count: z.int().describe('How often it was refused, or would have been.'),
  last_seen_at: z.iso.datetime(),
})
export type SuggestionRecord = z.infer<typeof suggestionRecord>

export const EGRESS_AUDIT_ROUTES = {
  suggestions: route({
    method: 'GET',
    path: '/v1/egress/audit/suggestions',
    class: 'list',
    scope: 'egress:read',
    summary: 'List hosts that were refused in the last day for want of a rule, newest first.',
    query: suggestionsQuery,
    status: 200,
    answer: z.object({ data: z.array(suggestionRecord), next_cursor: z.null() }),
  }),
  list: route({
    method: 'GET',
    path: '/v1/egress/audit',
    class: 'list',
    scope: 'egress:read',
    summary: 'List where sandboxes went, and where they were not let, newest first.',
    query: auditQuery,
    status: 200,
    answer: z.object({ data: z.array(auditRecord), next_cursor: z.string().nullable() }),
  }),
  follow: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/audit/stream',
    class: 'read',
    scope: 'egress:read',
    summary:
      'Where a sandbox goes, and where it is not let, as it happens; `Last-Event-ID` goes on where a stream broke off.',
    told: '`egress`: an entry as a list has it. `end` {`sandbox_id`}: the sandbox is gone, and this is the last.',
    status: 200,
    stream: 'text/event-stream',
  }),
  get: route({
    method: 'GET',
    path: '/v1/egress/audit/:id',
    class: 'read',
    scope: 'egress:read',
    summary: 'Read one entry.',
    status: 200,
    answer: z.object({ data: auditRecord }),
  }),
} as const
