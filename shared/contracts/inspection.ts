/** What one sandbox used, uses and says. Nothing here wakes a sandbox, and nothing counts as activity. */
import * as z from 'zod'
import { STATES } from '../lifecycle.ts'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'

const measured = z.enum(['measured', 'unavailable'])

export const sandboxUsage = z.object({
  sandbox_id: z.string(),
  state: z.enum(STATES),
  runtime_sec: z.number().describe('Seconds that it ran, of all the times that it did.'),
  provisioned_vcpu_ms: z.number().describe('Processors times the milliseconds that it ran.'),
  provisioned_memory_mb_ms: z.number().describe('MiB of memory times the milliseconds that it ran.'),
  creation_count: z.literal(1),
  active_cpu_ms: z
    .number()
    .describe(
      'Processor time of its machine since that was started, in milliseconds; 0 when it cannot be measured now.',
    ),
  network_ingress_bytes: z
    .int()
    .describe(
      'What came in through its way out since its machine was taken up by its host, in bytes; 0 when it cannot be measured now.',
    ),
  network_egress_bytes: z.int().describe('What went out through it, likewise.'),
  measurement_status: z
    .object({
      active_cpu: measured,
      network: measured,
      provisioned_resources: z.literal('measured'),
    })
    .describe('What of this is measured.'),
  estimated_cost_cents: z
    .number()
    .describe('Of a hundredth of the currency that the rates have, to a ten-thousandth of it.'),
  timeout_sec: z.int().describe('Seconds that it runs each time.'),
  timeout_remaining_ms: z
    .int()
    .nullable()
    .describe('Milliseconds until its time is over; null when no time ends it now.'),
})
export type SandboxUsage = z.infer<typeof sandboxUsage>

export const sandboxMetrics = z.object({
  resource_type: z.literal('sandbox'),
  window: z.string().describe('As it was asked for.'),
  current: z
    .object({
      cpu_count: z.int().describe('Virtual processors.'),
      memory_mb: z.int().describe('Memory in MiB.'),
      disk_size_mb: z.int().describe('Disk in MiB.'),
      cpu_percent: z
        .number()
        .nullable()
        .describe('100 is all of its processors. Null, as the others, when it cannot be measured now.'),
      memory_used_mb: z.number().nullable().describe('Memory of the machine on its host, in MiB.'),
      memory_private_mb: z.number().nullable().describe('What of that is shared with no other sandbox, in MiB.'),
      disk_used_mb: z.number().nullable().describe('What its disk takes on its host, in MiB.'),
      measurement_status: measured,
    })
    .describe('What it uses at this moment.'),
  series: z.array(z.never()).describe('Always empty: what was is not recorded.'),
})
export type SandboxMetrics = z.infer<typeof sandboxMetrics>

const lines = z.coerce
  .number()
  .int()
  .min(1)
  .max(LIMITS.consoleLinesMax)
  .default(100)
  .describe('How many of the last lines, at most. Default: 100.')

export const INSPECTION_ROUTES = {
  usage: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/usage',
    class: 'read',
    scope: 'usage:read',
    summary: 'What a sandbox has used so far, and what that costs.',
    status: 200,
    answer: z.object({ data: sandboxUsage }),
  }),
  metrics: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/metrics',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'What a sandbox uses at this moment.',
    query: z.object({
      window: z
        .string()
        .regex(/^\d{1,4}[smhd]$/, { error: 'must be like 30m, 1h or 7d' })
        .default('1h')
        .describe(
          'Accepted for clients that send it, like `30m`, `1h` or `7d`. Default: `1h`. Only this moment is measured.',
        ),
    }),
    status: 200,
    answer: z.object({ data: sandboxMetrics }),
  }),
  logs: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/logs',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'The last lines of the console of its machine. What commands print is in their own answers.',
    query: z.object({ lines }),
    status: 200,
    answer: z.object({ data: z.object({ lines: z.array(z.string()) }) }),
  }),
  logStream: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/logs/stream',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'The same as it is said; `Last-Event-ID` goes on where a stream broke off.',
    query: z.object({ lines }),
    status: 200,
    stream: 'text/event-stream',
  }),
  artifacts: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/artifacts',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'Where the template says that a sandbox puts what it makes; a built-in one says nothing.',
    status: 200,
    answer: z.object({ data: z.object({ artifacts: z.record(z.string(), z.object({ path: z.string() })) }) }),
  }),
  startTemplate: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/template/start',
    class: 'change',
    scope: 'sandboxes:exec',
    summary:
      'Whether the start command of the template runs. It runs since its build, in every sandbox of it; a built-in one has none.',
    body: z.object({}),
    status: 200,
    answer: z.object({
      data: z.object({
        sandbox_id: z.string(),
        template_id: z.string(),
        started: z.boolean(),
        reason: z.string(),
      }),
    }),
  }),
} as const
