/**
 * The wire contract of Podflare's documented HTTP calls, as far as it is served. Ids are ours, and opaque to its clients. What else is
 * sent is ignored. Who says nothing of `egress` has the way out that the tenant's sandboxes have, which is none unless somebody opened one.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'
import { boundedText, templateSchema } from './sandbox-fields.ts'

export const podflareCreateBody = z.object({
  template: templateSchema.optional().describe('What its disk begins with, by name. Default: `default`.'),
  persistent: z
    .boolean()
    .optional()
    .describe('Kept when its time is over, and woken by the next call; else it is destroyed then. Default: false.'),
  egress: z
    .boolean()
    .optional()
    .describe(
      'False: it goes nowhere. True: to everything on the public internet that no rule denies, for which the key needs the scope `egress:write`. Default: what holds for all sandboxes of the tenant.',
    ),
})

export const PODFLARE_ROUTES = {
  create: route({
    method: 'POST',
    path: '/podflare/v1/sandboxes',
    class: 'create',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Create a sandbox, in the form of Podflare.',
    body: podflareCreateBody,
    status: 200,
    answer: z.object({ id: z.string(), state: z.literal('ready') }),
  }),
  fork: route({
    method: 'POST',
    path: '/podflare/v1/sandboxes/:id/fork',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Fork a sandbox, in the form of Podflare: all children, or none.',
    body: z.object({
      n: z.int().min(1).max(LIMITS.forkChildrenMax).default(1).describe('How many children. Default: 1.'),
    }),
    status: 200,
    answer: z.object({ children: z.array(z.string()) }),
  }),
  merge: route({
    method: 'POST',
    path: '/podflare/v1/sandboxes/:id/merge_into/:winner',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Let a sandbox go on with the machine of another one, in the form of Podflare.',
    status: 204,
  }),
  exec: route({
    method: 'POST',
    path: '/podflare/v1/sandboxes/:id/exec',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Run code, in the form of Podflare: a line of output in every line, and `exit` as the last.',
    body: z.object({
      code: boundedText(LIMITS.codeBytesMax).describe('What is run.'),
      language: z
        .enum(['python', 'bash'])
        .default('python')
        .describe('`python` is one session for each sandbox, `bash` a process for each call. Default: `python`.'),
    }),
    told: '`stdout` and `stderr` with a line as `data`; `exit`, once and last, with the exit code. `seq` counts from 0, `ts` is in Unix milliseconds.',
    status: 200,
    stream: 'application/x-ndjson',
  }),
  destroy: route({
    method: 'DELETE',
    path: '/podflare/v1/sandboxes/:id',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Destroy a sandbox, in the form of Podflare.',
    status: 204,
  }),
  healthz: route({
    method: 'GET',
    path: '/podflare/v1/healthz',
    class: 'open',
    scope: null,
    summary: 'Whether this server lives.',
    status: 200,
  }),
} as const
