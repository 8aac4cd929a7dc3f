/** What callers are told of sandboxes. Field names and quirks are a wire contract that clients in the field already speak. */
import * as z from 'zod'
import { STATES } from '../lifecycle.ts'
import { LIMITS } from '../limits.ts'

/** An address that ends with its sandbox. There is no other kind of address that could be recommended instead. */
export const urlInfo = z.object({
  url: z.url().describe('Where visitors reach the port.'),
  class: z.literal('temporary_preview'),
  url_class: z.literal('temporary_preview'),
  stable_for_embedding: z.literal(false).describe('Always false: the address ends with its sandbox.'),
  recommended_next_action: z.null(),
})
export type UrlInfo = z.infer<typeof urlInfo>

export const sandboxRecord = z.object({
  id: z.string().describe('Stays its own for good, and says which region it is in.'),
  slug: z.string().describe('The one that was given, or the id fit for a host name.'),
  name: z.string().nullable().describe('What you call it, or null.'),
  state: z.enum(STATES),
  ready: z.boolean().describe('Whether it is `running`.'),
  last_error: z.string().nullable().describe('Why the sandbox is in the state `error`; null in every other one.'),
  template_id: z.string().describe('What its disk began with.'),
  image_id: z.string().describe('The same as `template_id`.'),
  size: z.string().describe('The name of the size that is exactly its machine, or `custom`.'),
  resource_contract: z
    .object({
      id: z.string(),
      version: z.int(),
      product: z.literal('sandbox'),
      size: z.string(),
      vcpus: z.int(),
      memory_mb: z.int(),
      disk_size_mb: z.int(),
    })
    .describe('Its machine, as other clients look for it.'),
  cpu_count: z.int().describe('Virtual processors.'),
  memory_mb: z.int().describe('Memory in MiB.'),
  disk_size_mb: z.int().describe('Disk in MiB.'),
  timeout_sec: z.int().describe('Seconds that it runs each time, from when it is ready.'),
  timeout_remaining_ms: z
    .int()
    .nullable()
    .describe('Milliseconds until its time is over; null when no time ends it now.'),
  idle_timeout_sec: z
    .int()
    .describe('Seconds without a command, a visitor or another call into it after which it stops; 0 is never.'),
  always_on: z.boolean().describe('Whether no time stops it.'),
  persistent: z.boolean().describe('Whether it is paused when its time is over (true) or destroyed (false).'),
  boot_path: z
    .enum(['warm', 'restore', 'cold'])
    .nullable()
    .describe(
      'How it was first started: taken out of the pool (`warm`), from a snapshot (`restore`), or by booting (`cold`). Null before.',
    ),
  boot_ms: z.int().nullable().describe('Milliseconds that its first start took; null before.'),
  preview_domain: z
    .string()
    .describe('Under which the addresses of its ports are: `<port>-<id>.<domain>`, with `-` for the `_` of the id.'),
  preview_url: z
    .url()
    .nullable()
    .describe('Of the port that was opened first; null until one is, as is all that follows from it.'),
  url_info: urlInfo.nullable().describe('What can be said of `preview_url`.'),
  url_class: urlInfo.shape.url_class.nullable(),
  stable_for_embedding: z.boolean().describe('Always false: an address ends with its sandbox.'),
  recommended_next_action: z.null().describe('Always null.'),
  metadata: z.record(z.string(), z.unknown()).describe('What you gave it. In `error`, `last_error` stands here, too.'),
  tags: z.array(z.string()).describe('What you gave it.'),
  region: z.string().describe('The code of the region that it is in.'),
  tenant_id: z.string().describe('Whose it is.'),
  external_workspace_id: z.string().nullable().describe('As it was given when it was made.'),
  external_user_id: z.string().nullable().describe('Your own user to whom it belongs, or null.'),
  external_project_id: z.string().nullable().describe('As it was given when it was made.'),
  owner_id: z.string().describe('The same as `tenant_id`.'),
  workspace_id: z.string().nullable().describe('Null is the default workspace.'),
  workspace_slug: z.string().nullable(),
  workspace_name: z.string().nullable(),
  project_id: z.null().describe('Always null: there are no projects here.'),
  project_slug: z.null().describe('Always null.'),
  project_name: z.null().describe('Always null.'),
  created_at: z.iso.datetime().describe('When it was asked for.'),
  inserted_at: z.iso.datetime().describe('The same as `created_at`.'),
  started_at: z.iso.datetime().nullable().describe('When it last began to run; null before it first did.'),
  ready_at: z.iso.datetime().nullable().describe('When it first ran; null before.'),
  destroyed_at: z.iso.datetime().nullable().describe('When it was destroyed; null while it is not.'),
  total_runtime_sec: z.int().describe('Seconds that it ran in all, pauses left out.'),
})
export type SandboxRecord = z.infer<typeof sandboxRecord>

export const execAnswer = z.object({
  stdout: z
    .string()
    .describe(`What it printed, as UTF-8; other bytes are U+FFFD. At most ${LIMITS.execOutputBytesMax} bytes.`),
  stderr: z.string().describe('The same of its standard error.'),
  exit_code: z
    .int()
    .describe("The process's own; 128 + n when signal n ended it, 124 when its timeout did, 137 for lack of memory."),
  duration_ms: z.int().describe('Milliseconds from its start to its end.'),
  reason: z
    .enum(['exit', 'signal', 'timeout', 'out_of_memory'])
    .describe('Why it ended: by itself, by a signal, because its timeout was over, or for lack of memory.'),
  truncated: z.boolean().describe('Either stream was longer than an answer may be, and its rest is not in here.'),
})
export type ExecAnswer = z.infer<typeof execAnswer>

/** Of a command that was detached. */
export const jobAnswer = z.object({
  job_id: z.string().describe('The `pid` of the process: see `/v1/sandboxes/{id}/processes`.'),
})

export const runAnswer = z.object({ data: sandboxRecord, exec: execAnswer, timings: z.record(z.string(), z.int()) })

export const readinessAnswer = z.object({
  ready: z.boolean().describe('Whether it is `running`.'),
  status: z.enum(['ready', ...STATES]).describe('`ready`, or the state that it is in instead.'),
})
