/**
 * The machines of a region: how one joins, and what their owners may do with them. A tenant sees and changes only machines of its
 * own; the same verbs under /v1/admin are for operators, who see all. What a controller says to a machine is in host.ts.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'

/**
 *   joining    it was let in and has not been heard of yet      silent    not heard of lately; nothing new is placed there
 *   ready      it takes sandboxes                               lost      not heard of for so long that its sandboxes were given up
 *   full       it has no room for even the smallest             cordoned  nothing new is placed there, by its owner's word
 *   draining   nothing new, and `sandboxes` are left            drained   none is left
 */
export const HOST_STATES = ['joining', 'ready', 'full', 'cordoned', 'draining', 'drained', 'silent', 'lost'] as const
export type HostState = (typeof HOST_STATES)[number]

const room = z.object({
  vcpus: z.int().describe('Virtual processors.'),
  memory_mb: z.int().describe('Memory in MiB.'),
  disk_mb: z.int().describe('Disk in MiB.'),
  sandboxes: z.int().describe('How many sandboxes.'),
})

export const machineRecord = z.object({
  id: z.string().describe('Stays its own for good.'),
  name: z.string().describe('What it calls itself.'),
  region: z.string(),
  tenant_id: z.string().nullable().describe('Whose own machine it is; null is a machine for all.'),
  state: z
    .enum(HOST_STATES)
    .describe(
      '`silent` was not heard of lately, `lost` for so long that its sandboxes were given up; `drained` has none left.',
    ),
  url: z.string().nullable().describe('Where controllers reach it; null for one that is reached by a local socket.'),
  sandboxes: z.int().describe('Sandboxes that hold room there, whatever their state.'),
  offered: room.describe('What it has for sandboxes in all: processors, MiB of memory and of disk, and how many.'),
  reserved: room.describe('What of that is taken.'),
  last_seen_at: z.iso.datetime().describe('When it was last heard of.'),
  joined_at: z.iso.datetime().nullable().describe('When it joined; null for one that the configuration names.'),
})
export type MachineRecord = z.infer<typeof machineRecord>

export const joinTokenBody = z.object({
  expires_in_sec: z
    .int()
    .min(1)
    .max(LIMITS.joinTokenTtlSecMax)
    .default(LIMITS.joinTokenTtlSecDefault)
    .describe(`Seconds that the token is good for. Default: ${LIMITS.joinTokenTtlSecDefault}.`),
})
export const joinToken = z.object({ token: z.string(), expires_at: z.iso.datetime() })

/**
 * What a machine says of itself. It made the certificate and the secret itself, before it asked, so that asking again after a lost
 * answer is the same question, and nothing that is secret is ever in an answer.
 */
export const joinBody = z.object({
  token: z.string().max(LIMITS.nameCharsMax),
  name: z
    .string()
    .min(1)
    .max(LIMITS.nameCharsMax)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, { error: 'must be letters, digits, dots, dashes and underscores' })
    .optional(),
  /** Where controllers reach it. */
  url: z
    .url({ protocol: /^https$/, error: 'must be https://address:port' })
    .max(LIMITS.hostUrlCharsMax)
    .refine((text) => /^https:\/\/[^/@?#]+\/?$/.test(text), { error: 'must be https://address:port' }),
  /** Lowercase hex SHA-256 of its certificate. */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  /** What controllers must say to be let in. */
  secret: z.string().regex(/^[A-Za-z0-9_-]{43,86}$/),
})
export type JoinBody = z.infer<typeof joinBody>
export const joinAnswer = z.object({ data: z.object({ id: z.string(), region: z.string() }) })

export const removeQuery = z.object({
  force: z
    .enum(['true', 'false'])
    .default('false')
    .describe(
      '`true`: its sandboxes become errors and what it keeps of snapshots is lost. Without it a machine that holds any stays.',
    ),
})

const one = z.object({ data: machineRecord })
const many = z.object({ data: z.array(machineRecord) })

const verbs = (under: string) => ({
  tokens: route({
    method: 'POST',
    path: `${under}/tokens`,
    class: 'change',
    scope: 'hosts:write',
    summary: 'Make a token with which one machine may join, once.',
    body: joinTokenBody,
    status: 201,
    answer: z.object({ data: joinToken }),
  }),
  list: route({
    method: 'GET',
    path: under,
    class: 'list',
    scope: 'hosts:read',
    summary: 'List the machines, newest first.',
    status: 200,
    answer: many,
  }),
  get: route({
    method: 'GET',
    path: `${under}/:id`,
    class: 'read',
    scope: 'hosts:read',
    summary: 'Read one machine.',
    status: 200,
    answer: one,
  }),
  cordon: route({
    method: 'POST',
    path: `${under}/:id/cordon`,
    class: 'change',
    scope: 'hosts:write',
    summary: 'Place nothing new there.',
    status: 200,
    answer: one,
  }),
  uncordon: route({
    method: 'POST',
    path: `${under}/:id/uncordon`,
    class: 'change',
    scope: 'hosts:write',
    summary: 'Place sandboxes there again; ends a drain, too.',
    status: 200,
    answer: one,
  }),
  drain: route({
    method: 'POST',
    path: `${under}/:id/drain`,
    class: 'change',
    scope: 'hosts:write',
    summary: 'Place nothing new there, and say when the last sandbox is gone. What is there lives on.',
    status: 200,
    answer: one,
  }),
  remove: route({
    method: 'DELETE',
    path: `${under}/:id`,
    class: 'change',
    scope: 'hosts:write',
    summary: 'Take the machine out of the region.',
    query: removeQuery,
    status: 204,
  }),
})

export const MACHINE_ROUTES = verbs('/v1/hosts')
export const ADMIN_MACHINE_ROUTES = verbs('/v1/admin/hosts')

export const JOIN_ROUTE = route({
  method: 'POST',
  path: '/v1/hosts/join',
  class: 'open',
  scope: null,
  summary: 'Join a region with a token. Asked of the region itself, by the machine.',
  body: joinBody,
  status: 201,
  answer: joinAnswer,
})
