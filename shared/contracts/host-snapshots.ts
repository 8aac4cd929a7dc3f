/**
 * What a controller says to a host's daemon about snapshots: a machine's memory, disk and devices of one instant, kept on that host.
 *
 * Every call names what it makes, so that it is safe to repeat; the host never decides what should exist.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { machineSchema } from '../machines.ts'
import { vmDeadlines, vmRecord, vmSpec } from './host.ts'
import { route } from './route.ts'

export const hostSnapshot = z.object({
  id: z.string(),
  /** The sandbox it was taken from, which may be gone. */
  sandbox: z.string(),
  template: z.string(),
  machine: machineSchema,
  taken_at_ms: z.number(),
  /** What it takes on the host's disk, without what it shares with its template. */
  bytes: z.int().min(0),
  /** How long the sandbox stood still for it; 0 when it was paused anyway. */
  stopped_ms: z.number(),
})
export type HostSnapshot = z.infer<typeof hostSnapshot>

export const takeSnapshotBody = z.object({ snapshot_id: z.string() })
export const restoreBody = z.object({ snapshot_id: z.string(), deadlines: vmDeadlines })
export type RestoreBody = z.infer<typeof restoreBody>

/** Template, machine and environment of children are the parent's, whatever their specs say. */
export const forkBody = z.object({ children: z.array(vmSpec).min(1).max(LIMITS.forkChildrenMax) })
export type ForkBody = z.infer<typeof forkBody>
export const forkAnswer = z.object({
  /** How long the parent stood still. */
  stopped_ms: z.number(),
  /** In the order in which they were asked for. What failed left nothing. */
  children: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('made'), vm: vmRecord }),
      z.object({ kind: z.literal('failed'), id: z.string(), code: z.string(), message: z.string() }),
    ]),
  ),
})
export type ForkAnswer = z.infer<typeof forkAnswer>

export const mergeBody = z.object({ winner: z.string() })

export const HOST_SNAPSHOT_ROUTES = {
  take: route({
    method: 'POST',
    path: '/v1/vms/:id/snapshots',
    class: 'change',
    scope: null,
    summary:
      'Keep what a machine is now. A running one goes on, a paused one stays paused. The same id again answers the same.',
    body: takeSnapshotBody,
    status: 200,
    answer: hostSnapshot,
  }),
  list: route({
    method: 'GET',
    path: '/v1/snapshots',
    class: 'list',
    scope: null,
    summary: 'The snapshots that are kept here.',
    status: 200,
    answer: z.object({ snapshots: z.array(hostSnapshot) }),
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/snapshots/:id',
    class: 'change',
    scope: null,
    summary: 'Forget a snapshot. Machines that came from it live on. Unknown ids are fine.',
    status: 204,
  }),
  restore: route({
    method: 'POST',
    path: '/v1/vms/:id/restore',
    class: 'change',
    scope: null,
    summary: 'Make a machine what it was at a snapshot, and let it run. Until that stands, it stays what it is.',
    body: restoreBody,
    status: 200,
    answer: vmRecord,
  }),
  fork: route({
    method: 'POST',
    path: '/v1/vms/:id/fork',
    class: 'change',
    scope: null,
    summary:
      'Make children that go on from where a running machine is; it goes on, too. A child that exists already is answered as made.',
    body: forkBody,
    status: 200,
    answer: forkAnswer,
  }),
  merge: route({
    method: 'POST',
    path: '/v1/vms/:id/merge',
    class: 'change',
    scope: null,
    summary: 'Give a sandbox the machine of another one, whose id ends with it. Once done, a repeat answers the same.',
    body: mergeBody,
    status: 200,
    answer: vmRecord,
  }),
} as const
