/** What callers are told of sandboxes. Field names and quirks are a wire contract that clients in the field already speak. */
import * as z from 'zod'
import { STATES } from '../lifecycle.ts'

/** An address that ends with its sandbox. There is no other kind of address that could be recommended instead. */
export const urlInfo = z.object({
  url: z.url(),
  class: z.literal('temporary_preview'),
  url_class: z.literal('temporary_preview'),
  stable_for_embedding: z.literal(false),
  recommended_next_action: z.null(),
})
export type UrlInfo = z.infer<typeof urlInfo>

export const sandboxRecord = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string().nullable(),
  state: z.enum(STATES),
  ready: z.boolean(),
  last_error: z.string().nullable().describe('Why the sandbox is in the state `error`; null in every other one.'),
  template_id: z.string(),
  image_id: z.string(),
  size: z.string(),
  resource_contract: z.object({
    id: z.string(),
    version: z.int(),
    product: z.literal('sandbox'),
    size: z.string(),
    vcpus: z.int(),
    memory_mb: z.int(),
    disk_size_mb: z.int(),
  }),
  cpu_count: z.int(),
  memory_mb: z.int(),
  disk_size_mb: z.int(),
  timeout_sec: z.int(),
  timeout_remaining_ms: z.int().nullable(),
  idle_timeout_sec: z.int(),
  always_on: z.boolean(),
  persistent: z.boolean(),
  boot_path: z.enum(['warm', 'restore', 'cold']).nullable(),
  boot_ms: z.int().nullable(),
  /** Under which the addresses of its ports are: `<port>-<id>.<domain>`, with `-` for the `_` of the id. */
  preview_domain: z.string(),
  /** Of the port that was opened first; null until one is, as is all that follows from it. */
  preview_url: z.url().nullable(),
  url_info: urlInfo.nullable(),
  url_class: urlInfo.shape.url_class.nullable(),
  stable_for_embedding: z.boolean(),
  recommended_next_action: z.null(),
  metadata: z.record(z.string(), z.unknown()),
  tags: z.array(z.string()),
  region: z.string(),
  tenant_id: z.string(),
  external_workspace_id: z.string().nullable(),
  external_user_id: z.string().nullable(),
  external_project_id: z.string().nullable(),
  owner_id: z.string(),
  workspace_id: z.string().nullable(),
  workspace_slug: z.string().nullable(),
  workspace_name: z.string().nullable(),
  /** There are no projects here; the fields are part of the record all the same. */
  project_id: z.null(),
  project_slug: z.null(),
  project_name: z.null(),
  created_at: z.iso.datetime(),
  inserted_at: z.iso.datetime(),
  started_at: z.iso.datetime().nullable(),
  ready_at: z.iso.datetime().nullable(),
  destroyed_at: z.iso.datetime().nullable(),
  total_runtime_sec: z.int(),
})
export type SandboxRecord = z.infer<typeof sandboxRecord>

export const execAnswer = z.object({
  stdout: z.string(),
  stderr: z.string(),
  /** The process's own; 128 + n when signal n ended it, 124 when its timeout did. */
  exit_code: z.int(),
  duration_ms: z.int(),
  reason: z.enum(['exit', 'signal', 'timeout']),
  /** Either stream was longer than an answer may be, and its rest is not in here. */
  truncated: z.boolean(),
})
export type ExecAnswer = z.infer<typeof execAnswer>

export const runAnswer = z.object({ data: sandboxRecord, exec: execAnswer, timings: z.record(z.string(), z.int()) })

export const readinessAnswer = z.object({
  ready: z.boolean(),
  /** `ready`, or the state that it is in instead. */
  status: z.enum(['ready', ...STATES]),
})
