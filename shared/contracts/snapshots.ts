/**
 * Keeping what a sandbox is, and going on from there: snapshots, restore, fork and merge. Names and quirks are a wire contract that
 * clients in the field already speak; `count`, `into`, `merge` and the routes under /v1/snapshots are ours. There is no `tree`: what is in
 * a snapshot is read from a sandbox that is made of it.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'
import {
  externalIdSchema,
  metadataSchema,
  nameSchema,
  plainText,
  templateSchema,
  timeoutSecSchema,
} from './sandbox-fields.ts'
import { sandboxRecord } from './sandbox-records.ts'

const one = z.object({ data: sandboxRecord })

export const snapshotRecord = z.object({
  id: z.string(),
  sandbox_id: z.string().describe('The sandbox that it was taken of, whether or not that still is there.'),
  status: z.enum(['creating', 'ready', 'failed']).describe('`failed`: its host has lost it.'),
  comment: z.string().nullable().describe('What was said when it was taken.'),
  region: z.string().describe('Where it is, and what is made of it.'),
  tenant_id: z.string().describe('Whose it is.'),
  external_user_id: z.string().nullable().describe('Your own user to whom it belongs, or null.'),
  template_id: z.string().describe('What its disk began with.'),
  size: z.string(),
  cpu_count: z.int().describe('Virtual processors.'),
  memory_mb: z.int().describe('Memory in MiB.'),
  disk_size_mb: z.int().describe('Disk in MiB.'),
  size_bytes: z.int().nullable().describe('What it takes beside its template, in bytes; null until it is ready.'),
  stopped_ms: z.int().nullable().describe('Milliseconds that the sandbox stood still for it.'),
  last_error: z.string().nullable().describe('Why it failed, or null.'),
  created_at: z.iso.datetime(),
})
export type SnapshotRecord = z.infer<typeof snapshotRecord>

export const takeSnapshotBody = z.object({
  comment: plainText.max(LIMITS.snapshotCommentCharsMax).nullish().describe('Words of yours. Default: none.'),
})
export type TakeSnapshotBody = z.infer<typeof takeSnapshotBody>

const snapshotId = z.string().max(LIMITS.nameCharsMax)

/** What a child may have that differs from where it comes from. */
const childShape = {
  timeout_sec: timeoutSecSchema
    .optional()
    .describe('Seconds that it runs each time, from when it is ready. Default: that of the parent.'),
  template_id: templateSchema
    .optional()
    .describe('Must be that of the parent, if it is said: a child goes on from where its parent is.'),
  name: nameSchema.optional().describe('What you call it. Default: none.'),
  metadata: metadataSchema.optional().describe('Merged into that of the parent.'),
  external_user_id: externalIdSchema
    .optional()
    .describe('Your own user to whom it belongs. Default: that of the parent.'),
}

export const forkBody = z
  .object({
    ...childShape,
    count: z
      .int()
      .min(1)
      .max(LIMITS.forkChildrenMax)
      .optional()
      .describe('How many children. Without it there is one, and the answer is not a list.'),
    snapshot_id: snapshotId
      .nullish()
      .describe('Go on from this snapshot of the sandbox instead of from what it is now.'),
  })
  .refine(({ count, snapshot_id }) => count === undefined || (snapshot_id ?? null) === null, {
    error: 'goes with a fork of what runs, not with snapshot_id',
    path: ['count'],
  })
  .refine(({ count, name }) => name === undefined || (count ?? 1) === 1, {
    error: 'goes with one child: no two sandboxes have one name',
    path: ['name'],
  })
export type ForkBody = z.infer<typeof forkBody>

export const branchBody = z.object(childShape)
export type BranchBody = z.infer<typeof branchBody>

export const restoreBody = z.object({
  ...childShape,
  into: z
    .enum(['same', 'new'])
    .default('same')
    .describe(
      '`same`: the sandbox becomes what it was. `new`: it is left alone, and another one is made. Default: `same`.',
    ),
})
export type RestoreBody = z.infer<typeof restoreBody>

export const mergeBody = z.object({
  winner: plainText
    .min(1)
    .max(LIMITS.nameCharsMax)
    .describe('The sandbox, by id or name, whose machine it goes on with.'),
})

export const snapshotListQuery = z.strictObject({
  resource_id: z
    .string()
    .max(LIMITS.filterCharsMax)
    .optional()
    .describe('Only those of this sandbox, whether or not it still is there.'),
  q: plainText
    .max(LIMITS.filterCharsMax)
    .optional()
    .describe('Only those with this id, or with this text in their comment.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .optional()
    .describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: z.string().max(LIMITS.filterCharsMax).optional().describe('The id of the last row of the page before.'),
})
export type SnapshotListQuery = z.infer<typeof snapshotListQuery>

export const SNAPSHOT_ROUTES = {
  take: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/snapshots',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Keep what a sandbox is now: its memory, its disk, its processes. It goes on, or stays paused.',
    body: takeSnapshotBody,
    status: 201,
    answer: z.object({ data: snapshotRecord }),
  }),
  ofSandbox: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/snapshots',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'The snapshots of one sandbox, newest first.',
    status: 200,
    answer: z.object({ data: z.array(snapshotRecord) }),
  }),
  removeOfSandbox: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/snapshots/:snapshot',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Delete a snapshot of a sandbox. What was made of it lives on.',
    status: 204,
  }),
  restore: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/restore/:snapshot',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Make a sandbox what it was at a snapshot, or, with `into`: `new`, make another one that is.',
    body: restoreBody,
    status: 200,
    answer: one,
  }),
  fork: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/fork',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary:
      'Make children that go on from where a sandbox is. With `count` the answer is a list, and a child that failed says why.',
    body: forkBody,
    status: 201,
    answer: z.object({ data: z.union([sandboxRecord, z.array(sandboxRecord)]) }),
  }),
  merge: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/merge',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Let a sandbox go on with the machine of another one, whose id ends with it.',
    body: mergeBody,
    status: 200,
    answer: one,
  }),
  list: route({
    method: 'GET',
    path: '/v1/snapshots',
    class: 'list',
    scope: 'sandboxes:read',
    summary: 'List all snapshots, newest first, also those of sandboxes that are gone.',
    query: snapshotListQuery,
    status: 200,
    answer: z.object({ data: z.array(snapshotRecord), next_cursor: z.string().nullable() }),
  }),
  get: route({
    method: 'GET',
    path: '/v1/snapshots/:id',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'Read one snapshot.',
    status: 200,
    answer: z.object({ data: snapshotRecord }),
  }),
  branch: route({
    method: 'POST',
    path: '/v1/snapshots/:id/fork',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Make a sandbox that goes on from a snapshot.',
    body: branchBody,
    status: 201,
    answer: one,
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/snapshots/:id',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Delete a snapshot. What was made of it lives on.',
    status: 204,
  }),
} as const
