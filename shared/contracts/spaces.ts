/**
 * Spaces: named workspaces of a tenant that outlive their machines. A space is in one sandbox or in none; when nobody uses it, it is frozen,
 * which keeps what it is and destroys the sandbox, and opening it goes on in a new one.
 *
 * A name is one space of one region. Through the edge a name without a region is one of the home region; an id says where it is.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'
import { createSandboxBody } from './sandbox-bodies.ts'
import { idleTimeoutSecSchema, slugSchema, timeoutSecSchema } from './sandbox-fields.ts'
import { sandboxRecord } from './sandbox-records.ts'

/** `frozen` <-> `open`, each by way of a state in which one controller works on it. */
export const SPACE_STATES = ['frozen', 'opening', 'open', 'freezing'] as const
export type SpaceState = (typeof SPACE_STATES)[number]

export const spaceNameSchema = slugSchema

/** What the sandbox of a space is made of as long as there is no state to go on from; its times and labels count for every one. */
export const spaceBody = createSandboxBody
  .pick({
    template_id: true,
    template: true,
    size: true,
    cpu_count: true,
    memory_mb: true,
    disk_size_mb: true,
    env: true,
    metadata: true,
    tags: true,
    external_user_id: true,
  })
  .extend({
    timeout_sec: timeoutSecSchema
      .optional()
      .describe('Seconds after which it is frozen, also while it is used. Default: the most that the tier allows.'),
    idle_timeout_sec: idleTimeoutSecSchema
      .optional()
      .describe(
        `Seconds that nobody uses it until it is paused, and frozen soon after. 0: only when its timeout_sec is over, or when that is asked for. Default: ${LIMITS.spaceIdleSecDefault}.`,
      ),
  })
export type SpaceBody = z.infer<typeof spaceBody>

export const spaceRecord = z.object({
  id: z.string(),
  name: z.string(),
  state: z
    .enum(SPACE_STATES)
    .describe('`frozen` costs no machine; `open` is in a sandbox; the others are on the way there.'),
  region: z.string(),
  tenant_id: z.string(),
  external_user_id: z.string().nullable().describe('Your own user to whom it belongs, or null.'),
  sandbox_id: z.string().nullable().describe('The sandbox that it is in; null while it is frozen.'),
  has_state: z
    .boolean()
    .describe('Whether there is anything to go on from; a space that was never frozen begins empty.'),
  idle_timeout_sec: z
    .int()
    .describe('Seconds that nobody uses it until its sandbox is paused and soon frozen; 0 is never.'),
  last_error: z.string().nullable().describe('Why its last sandbox ended, if that was not by being frozen.'),
  created_at: z.iso.datetime(),
  opened_at: z.iso.datetime().nullable().describe('When it was last opened.'),
  frozen_at: z.iso.datetime().nullable().describe('When it was last frozen.'),
})
export type SpaceRecord = z.infer<typeof spaceRecord>

const one = z.object({ data: spaceRecord })

export const spaceListQuery = z.strictObject({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .optional()
    .describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: z.string().max(LIMITS.filterCharsMax).optional().describe('The id of the last row of the page before.'),
})
export type SpaceListQuery = z.infer<typeof spaceListQuery>

export const SPACE_ROUTES = {
  put: route({
    method: 'PUT',
    path: '/v1/spaces/:id',
    class: 'change',
    scope: 'sandboxes:write',
    summary:
      'Make the space of this name, or change what its sandboxes are made of. No sandbox is made before it is opened.',
    body: spaceBody,
    status: 200,
    answer: one,
  }),
  list: route({
    method: 'GET',
    path: '/v1/spaces',
    class: 'list',
    scope: 'sandboxes:read',
    summary: 'List the spaces, newest first.',
    query: spaceListQuery,
    status: 200,
    answer: z.object({ data: z.array(spaceRecord), next_cursor: z.string().nullable() }),
  }),
  get: route({
    method: 'GET',
    path: '/v1/spaces/:id',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'Read one space, by id or name.',
    status: 200,
    answer: one,
  }),
  open: route({
    method: 'POST',
    path: '/v1/spaces/:id/open',
    class: 'change',
    scope: 'sandboxes:write',
    summary:
      'Answer the running sandbox of a space: the one that it is in, or a new one that goes on from where it was frozen.',
    status: 200,
    answer: z.object({ data: sandboxRecord }),
  }),
  freeze: route({
    method: 'POST',
    path: '/v1/spaces/:id/freeze',
    class: 'change',
    scope: 'sandboxes:write',
    summary:
      'Keep what a space is and destroy its sandbox. Commands that run in it end. Freezing a frozen space changes nothing.',
    status: 200,
    answer: one,
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/spaces/:id',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Delete a space and its frozen state; with `force`, also the sandbox that it is in.',
    query: z.object({
      force: z
        .enum(['true', 'false'])
        .default('false')
        .describe('`true` also destroys the sandbox that it is in; without it a space that is open stays.'),
    }),
    status: 204,
  }),
} as const
