/**
 * What a controller says to a host's daemon, over HTTP on a unix socket (or TLS to another machine).
 * Every call that changes something names the sandbox and is safe to repeat; the host never decides what should exist.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { machineSchema } from '../machines.ts'
import { PORT_MAX } from '../preview-address.ts'
import { guestExec } from './guest.ts'
import { egressSetting } from './host-egress.ts'
import { route } from './route.ts'

export const BOOT_PATHS = ['warm', 'restore', 'cold'] as const

/** What a `Date` can be. */
const MOMENT_MS_MAX = 8_640_000_000_000_000

export const hostExec = guestExec.omit({ wake: true })
export type HostExec = z.infer<typeof hostExec>

const deadlines = {
  /** Unix milliseconds at which compute stops, whether or not the controller is there to say so; null never. */
  expires_at_ms: z.number().min(0).max(MOMENT_MS_MAX).nullable(),
  /** What stopping means. */
  on_expiry: z.enum(['pause', 'destroy']),
  /** Compute also stops this long after the last command ended; 0 is off. */
  idle_timeout_sec: z.int().min(0),
}
export const vmDeadlines = z.object(deadlines)
export type VmDeadlines = z.infer<typeof vmDeadlines>

export const vmSpec = z.object({
  id: z.string(),
  template: z.string(),
  machine: machineSchema,
  hostname: z.string(),
  env: z.record(z.string(), z.string()),
  /** Go on from this snapshot of the host's instead of from the template; left out or null is not. */
  snapshot_id: z.string().nullish(),
  /** Where it may go. Left out, nowhere; a child of a fork where its parent may. */
  egress: egressSetting.optional(),
  ...deadlines,
})
export type VmSpec = z.infer<typeof vmSpec>

/** The payload of the frame `ready`. `phases` are milliseconds by name, for Server-Timing and metrics. */
export const hostReady = z.object({
  boot_path: z.enum(BOOT_PATHS),
  boot_ms: z.number(),
  /** When compute stops: later than asked for by what the start took. Left out by a host that keeps to what was asked for. */
  expires_at_ms: z.int().min(0).max(MOMENT_MS_MAX).nullish(),
  phases: z.record(z.string(), z.number()),
})
export type HostReady = z.infer<typeof hostReady>

export const createVmBody = z.object({ vm: vmSpec, exec: hostExec.optional() })
export type CreateVmBody = z.infer<typeof createVmBody>

export const VM_STATES = ['starting', 'running', 'paused', 'stopping'] as const
export const vmRecord = z.object({
  id: z.string(),
  state: z.enum(VM_STATES),
  template: z.string(),
  machine: machineSchema,
  boot_path: z.enum(BOOT_PATHS),
  boot_ms: z.number(),
  started_at_ms: z.number(),
  /** When the last command began or ended. */
  active_at_ms: z.number(),
  /** Where a paused machine is: in memory, or on disk with its process gone. Left out when it is not paused. */
  standby: z.enum(['memory', 'disk']).optional(),
  /** Of the word about its way out that is in force; left out when there was none, and where it is not a list that is asked for. */
  egress_revision: z.int().min(0).optional(),
  ...deadlines,
})
export type VmRecord = z.infer<typeof vmRecord>

/** A machine that ended without being asked to, and why; kept until the controller has seen it (DELETE of the same id). */
export const vmLoss = z.object({
  id: z.string(),
  reason: z.string(),
  /** `expired` when its own deadline destroyed it, `died` (also when left out) when nobody wanted it to end. */
  cause: z.enum(['died', 'expired']).optional(),
  at_ms: z.number(),
})

/** As a path has it. */
export const portSchema = z.coerce.number().int().min(1).max(PORT_MAX)

export const vmInventory = z.object({ vms: z.array(vmRecord), lost: z.array(vmLoss) })
export type VmInventory = z.infer<typeof vmInventory>

/** What a machine uses at a moment. */
export const vmStats = z.object({
  id: z.string(),
  state: z.enum(VM_STATES),
  at_ms: z.number(),
  /** Processor time of the machine's process since it began, which is before it was this sandbox's. */
  cpu_ms: z.number(),
  /** Memory that is in use, and what of it is shared with no other machine. */
  resident_bytes: z.number(),
  private_bytes: z.number(),
  /** What its own layer takes on the host's disk. */
  disk_bytes: z.number(),
  commands_running: z.int(),
  /** What went out through its way to the world, and came in, since this daemon has had it. */
  egress_up_bytes: z.int().min(0).optional(),
  egress_down_bytes: z.int().min(0).optional(),
})
export type VmStats = z.infer<typeof vmStats>

export const consoleQuery = z.object({
  lines: z.coerce.number().int().min(1).max(LIMITS.consoleLinesMax).default(LIMITS.consoleLinesMax),
  /** Only lines from this number on: the `next` of an answer before. */
  after: z.coerce.number().int().min(0).default(0),
})
export type ConsoleQuery = z.infer<typeof consoleQuery>
/** `next` is the number of the line that will come next. */
export const vmConsole = z.object({ lines: z.array(z.string()), next: z.int() })
export type VmConsole = z.infer<typeof vmConsole>

/** Bounded as the table is: what one host says is written together with what others say. */
const tally = z.int().min(0).max(2_147_483_647)

export const hostCapacity = z.object({
  accel: z.enum(['kvm', 'tcg']),
  accepting: z.boolean(),
  draining: z.boolean(),
  /** Templates that this host can start, by name. */
  templates: z.array(z.string()),
  /** Of which making its templates are: another one may have something else in them. Left out by an older host. */
  image: z.string().max(LIMITS.nameCharsMax).optional(),
  vcpus: tally,
  /** What may be promised to sandboxes in all, after overcommit. */
  memory_mib: z.int().min(0),
  disk_mib: z.int().min(0),
  /** Of one sandbox, at most: no machine may be promised more memory than there is. Left out where only what is promised in all counts. */
  vm_memory_mib_max: z.int().min(0).optional(),
  vms_max: tally,
  running: tally,
  paused: tally,
  /** How many more of each size would fit by what is promised. */
  free: z.record(z.string(), tally),
  /** Primed, stopped machines by `<template>@<size>`. */
  pool: z.record(z.string(), tally),
  /** Truly free on the machine now. */
  memory_available_mib: z.int().min(0),
  disk_available_mib: z.int().min(0),
})
export type HostCapacity = z.infer<typeof hostCapacity>

export const GUEST_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'] as const
export type GuestMethod = (typeof GUEST_METHODS)[number]
/** Marks an answer as the agent's own, whatever its status; any other one is the host's. */
export const GUEST_ANSWER_HEADER = 'atoll-guest'
/** `1` on a call that is a command for as long as it lasts: its sandbox is not idle meanwhile. */
export const GUEST_WORK_HEADER = 'atoll-work'
const GUEST_HEADERS: ReadonlySet<string> = new Set([
  ...['content-type', 'content-length', 'range', 'if-range', 'content-range', 'accept-ranges', 'etag', 'last-modified'],
])
/** Whether a header passes between a controller and an agent, either way. In lower case. */
export const passesToGuest = (name: string): boolean => GUEST_HEADERS.has(name) || name.startsWith('atoll-')

/** The content type of answers that are frames. */
export const FRAMES_TYPE = 'application/x-atoll-frames'

export const HOST_ROUTES = {
  /** Frames: `provisioning` if it takes long, `ready`, then those of the command. 409 when `exec` is given and the machine exists. */
  create: route({
    method: 'POST',
    path: '/v1/vms',
    class: 'create-run',
    scope: null,
    summary: 'Claim a machine and run its first command.',
    body: createVmBody,
    status: 200,
  }),
  list: route({
    method: 'GET',
    path: '/v1/vms',
    class: 'list',
    scope: null,
    summary: 'What runs here.',
    status: 200,
    answer: vmInventory,
  }),
  exec: route({
    method: 'POST',
    path: '/v1/vms/:id/exec',
    class: 'change',
    scope: null,
    summary: 'Run a command; the answer is frames.',
    body: hostExec,
    status: 200,
  }),
  tunnel: route({
    method: 'POST',
    path: '/v1/vms/:id/ports/:port',
    class: 'change',
    scope: null,
    summary:
      'A connection to a port of the machine: the body goes in, what the port says is the answer, both for as long as they like.',
    status: 200,
  }),
  /** The method is whatever the agent's route takes, one of `GUEST_METHODS`; `:rest` is that route's path behind `/v1/`, with its query. */
  guest: route({
    method: 'POST',
    path: '/v1/vms/:id/guest/:rest{.+}',
    class: 'change',
    scope: null,
    summary: "Ask the agent in the machine; both bodies pass as they come, and the answer is the agent's own.",
    status: 200,
  }),
  pause: route({
    method: 'POST',
    path: '/v1/vms/:id/pause',
    class: 'change',
    scope: null,
    summary: 'Stop the CPU.',
    status: 200,
    answer: vmRecord,
  }),
  resume: route({
    method: 'POST',
    path: '/v1/vms/:id/resume',
    class: 'change',
    scope: null,
    summary: 'Go on, with new deadlines.',
    body: vmDeadlines,
    status: 200,
    answer: vmRecord,
  }),
  deadlines: route({
    method: 'POST',
    path: '/v1/vms/:id/deadlines',
    class: 'change',
    scope: null,
    summary: 'Change when compute stops. Safe to repeat; a paused machine stays paused.',
    body: vmDeadlines,
    status: 200,
    answer: vmRecord,
  }),
  stats: route({
    method: 'GET',
    path: '/v1/vms/:id/stats',
    class: 'read',
    scope: null,
    summary: 'What a machine uses.',
    status: 200,
    answer: vmStats,
  }),
  console: route({
    method: 'GET',
    path: '/v1/vms/:id/console',
    class: 'read',
    scope: null,
    summary: 'What its console said, without anything that could harm a terminal.',
    query: consoleQuery,
    status: 200,
    answer: vmConsole,
  }),
  destroy: route({
    method: 'DELETE',
    path: '/v1/vms/:id',
    class: 'change',
    scope: null,
    summary: 'End a machine and free everything it had. Unknown ids are fine.',
    status: 204,
  }),
  capacity: route({
    method: 'GET',
    path: '/v1/capacity',
    class: 'read',
    scope: null,
    summary: 'What is free.',
    status: 200,
    answer: hostCapacity,
  }),
} as const
