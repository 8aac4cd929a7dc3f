/** Following what happens to sandboxes: streams that can be gone on with, and the history of one. */
import * as z from 'zod'
import { STATES } from '../lifecycle.ts'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'

/** `sandbox.paused`, or a beginning: `sandbox.*`, `*`. */
export const EVENT_PATTERN = /^(\*|[a-z][a-z0-9_]*(\.[a-z0-9_]+)*(\.\*)?)$/

const patterns = z
  .string()
  .max(LIMITS.eventPatternsCharsMax)
  .transform((text) => text.split(',').filter((pattern) => pattern !== ''))
  .pipe(z.array(z.string().regex(EVENT_PATTERN, { error: 'must be names of events, or beginnings that end in .*' })))

const cursor = z.string().max(LIMITS.cursorCharsMax)

const streamQuery = z.object({
  /** Joined by commas; without it, every event. */
  types: patterns.optional(),
  /** What `Last-Event-ID` says, for those who cannot set a header. The header goes first. */
  last_event_id: cursor.optional(),
})

export const historyRecord = z.object({
  id: z.string(),
  type: z.string(),
  sandbox_id: z.string(),
  state: z.enum(STATES),
  revision: z.int(),
  ts: z.iso.datetime(),
  boot_path: z.string().optional(),
  boot_ms: z.int().optional(),
  last_error: z.string().optional(),
})
export type HistoryRecord = z.infer<typeof historyRecord>

export const historyQuery = z.object({
  limit: z.coerce.number().int().min(1).max(LIMITS.listRowsMax).optional(),
  /** The id of the last row of the page before. */
  cursor: cursor.optional(),
})

export const EVENT_ROUTES = {
  ofTenant: route({
    method: 'GET',
    path: '/v1/events/stream',
    class: 'read',
    scope: 'sandboxes:read',
    summary:
      'Follow the events of all sandboxes of a region. Without a cursor it begins now; with one, exactly after it.',
    query: streamQuery.extend({ sandbox_id: z.string().max(LIMITS.cursorCharsMax).optional() }),
    status: 200,
    stream: 'text/event-stream',
  }),
  ofSandbox: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/events',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'Follow the events of one sandbox, until it is destroyed.',
    query: streamQuery,
    status: 200,
    stream: 'text/event-stream',
  }),
  history: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/history',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'Every change of state of one sandbox, oldest first, for as long as events are kept.',
    query: historyQuery,
    status: 200,
    answer: z.object({ data: z.array(historyRecord), next_cursor: z.string().nullable() }),
  }),
} as const
