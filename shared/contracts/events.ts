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

const TOLD =
  'Every change of state: `sandbox.created`, `sandbox.running`, `sandbox.paused`, `sandbox.destroyed` and so on, with `state` and `revision`. ' +
  '`sandbox.exec.started` {`exec_id`, `command`}: a command was started, or code, which has a `language`, too; `exec_id` is the `pid` of a process. ' +
  '`sandbox.exec.completed` {`exec_id`, `exit_code`, `duration_ms`, `reason`}: it has ended. `reason` is `lost`, and `exit_code` null, when nobody ' +
  'heard how. Of a process that goes on by itself it is told within 30 seconds. What was told of commands is kept for an hour; a server that ' +
  'is killed tells nothing of the last half a second, nor of the ends of processes that it had started.'

const streamQuery = z.object({
  types: patterns
    .optional()
    .describe('Names of events, or beginnings like `sandbox.*`, joined by commas. Default: every event.'),
  last_event_id: cursor
    .optional()
    .describe('What `Last-Event-ID` says, for those who cannot set a header. The header goes first.'),
})

export const historyRecord = z.object({
  id: z.string(),
  type: z.string().describe('The name of the event.'),
  sandbox_id: z.string(),
  state: z.enum(STATES),
  revision: z.int().describe('Counts the changes of the sandbox.'),
  ts: z.iso.datetime().describe('When it happened.'),
  boot_path: z.string().optional().describe('How it was started.'),
  boot_ms: z.int().optional().describe('Milliseconds that its start took.'),
  last_error: z.string().optional().describe('Why it ended in `error`.'),
  snapshot_id: z.string().optional().describe('The snapshot that is ready, in `sandbox.snapshot.ready`.'),
  winner_id: z.string().optional().describe('Whose machine it goes on with, in `sandbox.merged`.'),
})
export type HistoryRecord = z.infer<typeof historyRecord>

export const historyQuery = z.object({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .optional()
    .describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: cursor.optional().describe('The id of the last row of the page before.'),
})

export const EVENT_ROUTES = {
  ofTenant: route({
    method: 'GET',
    path: '/v1/events/stream',
    class: 'read',
    scope: 'sandboxes:read',
    summary:
      'Follow the events of all sandboxes of a region. Without a cursor it begins now; with one, exactly after it.',
    query: streamQuery.extend({
      sandbox_id: z.string().max(LIMITS.cursorCharsMax).optional().describe('Only the events of this sandbox.'),
    }),
    told: TOLD,
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
    told: TOLD,
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
