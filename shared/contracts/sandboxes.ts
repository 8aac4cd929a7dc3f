/**
 * The public API of sandboxes: bodies, records and routes. Field names and quirks are a wire contract that clients in the
 * field already speak, so they are snake_case, generous in what they accept (unknown fields are ignored), and never renamed.
 */
import * as z from 'zod'
import { ID_KINDS } from '../ids.ts'
import { STATES } from '../lifecycle.ts'
import { LIMITS } from '../limits.ts'
import { SIZE_NAMES } from '../machines.ts'
import { route } from './route.ts'

const utf8Bytes = (text: string): number => new TextEncoder().encode(text).length

/** Text that every store, argument list and environment can hold: no NUL, and no half of a surrogate pair. */
const isPlain = (text: string): boolean => !text.includes('\0') && text.isWellFormed()
const plainText = z.string().refine(isPlain, { error: 'must not contain NUL or unpaired surrogates' })
/** Nor is it nested so deep that it takes a stack to print it. */
const isPlainJson = (value: unknown, depthMax: number = LIMITS.metadataDepthMax): boolean => {
  if (typeof value === 'string') return isPlain(value)
  if (typeof value !== 'object' || value === null) return true
  if (depthMax === 0) return false
  return Object.entries(value).every(([key, inner]) => isPlain(key) && isPlainJson(inner, depthMax - 1))
}

const boundedText = (bytesMax: number) =>
  plainText.refine((text) => utf8Bytes(text) <= bytesMax, { error: `must be at most ${bytesMax} bytes` })

const envSchema = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), boundedText(LIMITS.envBytesMax))
  .refine((env) => Object.keys(env).length <= LIMITS.envCountMax, {
    error: `must have at most ${LIMITS.envCountMax} variables`,
  })
  .refine((env) => utf8Bytes(JSON.stringify(env)) <= LIMITS.envBytesMax, {
    error: `must be at most ${LIMITS.envBytesMax} bytes in all`,
  })

const metadataSchema = z
  .record(z.string(), z.unknown())
  .refine((value) => isPlainJson(value), {
    error: `must be nested at most ${LIMITS.metadataDepthMax} deep, without NUL or unpaired surrogates`,
    abort: true,
  })
  .refine((value) => utf8Bytes(JSON.stringify(value)) <= LIMITS.metadataBytesMax, {
    error: `must be at most ${LIMITS.metadataBytesMax} bytes as JSON`,
  })

/** A path names a sandbox by id or by name, so no name may begin as an id does. */
const ID_BEGINNINGS = ID_KINDS.map((kind) => `${kind}_`)
const looksLikeId = (text: string): boolean => ID_BEGINNINGS.some((beginning) => text.startsWith(beginning))

const nameSchema = plainText
  .min(1)
  .max(LIMITS.nameCharsMax)
  .refine((name) => !looksLikeId(name), { error: `must not begin like an id (${ID_BEGINNINGS.join(', ')})` })
const templateSchema = plainText.min(1).max(LIMITS.nameCharsMax)
const externalIdSchema = plainText.min(1).max(LIMITS.externalIdCharsMax)

const createShape = {
  /** All four spellings mean the same; the first one given in this order counts. */
  template_id: templateSchema.optional(),
  template: templateSchema.optional(),
  image_id: templateSchema.optional(),
  image: templateSchema.optional(),
  size: z.enum(SIZE_NAMES).optional(),
  cpu_count: z.int().min(LIMITS.vcpusMin).max(LIMITS.vcpusMax).optional(),
  memory_mb: z.int().min(LIMITS.memoryMibMin).max(LIMITS.memoryMibMax).optional(),
  disk_size_mb: z.int().min(LIMITS.diskMibMin).max(LIMITS.diskMibMax).optional(),
  disk_mb: z.int().min(LIMITS.diskMibMin).max(LIMITS.diskMibMax).optional(),
  timeout_sec: z.int().min(LIMITS.timeoutSecMin).max(LIMITS.timeoutSecMax).optional(),
  idle_timeout_sec: z.int().min(0).max(LIMITS.idleTimeoutSecMax).optional(),
  always_on: z.boolean().optional(),
  persistent: z.boolean().optional(),
  name: nameSchema.optional(),
  region: z.string().max(LIMITS.nameCharsMax).optional(),
  env: envSchema.optional(),
  metadata: metadataSchema.optional(),
  tags: z.array(plainText.min(1).max(LIMITS.tagCharsMax)).max(LIMITS.tagsCountMax).optional(),
  external_workspace_id: externalIdSchema.optional(),
  external_user_id: externalIdSchema.optional(),
  external_project_id: externalIdSchema.optional(),
}

const execShape = {
  /** A shell line, run by `bash -c`. */
  command: boundedText(LIMITS.commandBytesMax).min(1).optional(),
  /** Or a program and its arguments, run without a shell. */
  cmd: boundedText(LIMITS.commandBytesMax).min(1).optional(),
  args: z.array(boundedText(LIMITS.commandBytesMax)).max(LIMITS.argvCountMax).optional(),
  cwd: plainText.min(1).max(LIMITS.pathCharsMax).regex(/^\//, { error: 'must be an absolute path' }).optional(),
  env: envSchema.optional(),
  user: z.enum(['sandbox', 'root']).optional(),
  /** NUL is allowed: a program may read whatever bytes it likes. */
  stdin: z
    .string()
    .refine((text) => text.isWellFormed(), { error: 'must not contain unpaired surrogates' })
    .refine((text) => utf8Bytes(text) <= LIMITS.stdinBytesMax, {
      error: `must be at most ${LIMITS.stdinBytesMax} bytes`,
    })
    .optional(),
  /** Seconds. When it is over the process and its children are killed, and `exit_code` is 124. */
  timeout: z.number().positive().max(LIMITS.execTimeoutSecMax).optional(),
}

const oneOfCommandAndCmd = (body: { command?: string | undefined; cmd?: string | undefined }): boolean =>
  (body.command === undefined) !== (body.cmd === undefined)
const oneOfMessage = { error: 'Give either command (a shell line) or cmd with args.', path: ['command'] }

export const createSandboxBody = z.object(createShape)
export type CreateSandboxBody = z.infer<typeof createSandboxBody>

export const execBody = z.object(execShape).refine(oneOfCommandAndCmd, oneOfMessage)
export type ExecBody = z.infer<typeof execBody>

/** Create and run in one call. `env` belongs to the sandbox and so to its first command too; `timeout` to the command. */
export const runBody = z.object({ ...execShape, ...createShape }).refine(oneOfCommandAndCmd, oneOfMessage)
export type RunBody = z.infer<typeof runBody>

export const sandboxRecord = z.object({
  id: z.string(),
  name: z.string().nullable(),
  state: z.enum(STATES),
  ready: z.boolean(),
  template_id: z.string(),
  image_id: z.string(),
  size: z.string(),
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
  metadata: z.record(z.string(), z.unknown()),
  tags: z.array(z.string()),
  region: z.string(),
  tenant_id: z.string(),
  external_workspace_id: z.string().nullable(),
  external_user_id: z.string().nullable(),
  external_project_id: z.string().nullable(),
  created_at: z.iso.datetime(),
  inserted_at: z.iso.datetime(),
  started_at: z.iso.datetime().nullable(),
  ready_at: z.iso.datetime().nullable(),
  destroyed_at: z.iso.datetime().nullable(),
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

const one = z.object({ data: sandboxRecord })

export const listQuery = z.object({
  state: z.enum(STATES).optional(),
  template_id: z.string().optional(),
  /** Comma-joined; a sandbox must have all of them. */
  tags: z.string().optional(),
  external_workspace_id: z.string().optional(),
  external_user_id: z.string().optional(),
  external_project_id: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.listRowsMax).optional(),
  /** The id of the last row of the page before; the next page begins below it (newest first is descending by id). */
  cursor: z.string().max(200).optional(),
})

export const SANDBOX_ROUTES = {
  create: route({
    method: 'POST',
    path: '/v1/sandboxes',
    class: 'create',
    scope: 'sandboxes:write',
    summary: 'Create a sandbox and answer when it runs.',
    body: createSandboxBody,
    status: 201,
    answer: one,
  }),
  run: route({
    method: 'POST',
    path: '/v1/sandboxes/run',
    class: 'create-run',
    scope: 'sandboxes:write',
    summary: 'Create a sandbox and run its first command, in one call.',
    body: runBody,
    status: 201,
    answer: runAnswer,
  }),
  list: route({
    method: 'GET',
    path: '/v1/sandboxes',
    class: 'list',
    scope: 'sandboxes:read',
    summary: 'List the sandboxes that are not destroyed, newest first.',
    query: listQuery,
    status: 200,
    answer: z.object({ data: z.array(sandboxRecord), next_cursor: z.string().nullable() }),
  }),
  get: route({
    method: 'GET',
    path: '/v1/sandboxes/:id',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'Read one sandbox.',
    status: 200,
    answer: one,
  }),
  exec: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/exec',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Run a command to its end. A paused sandbox wakes by itself.',
    body: execBody,
    status: 200,
    answer: z.object({ data: execAnswer }),
  }),
  pause: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/pause',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Stop the CPU and keep everything else. Pausing a paused sandbox changes nothing.',
    status: 200,
    answer: one,
  }),
  resume: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/resume',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Go on. Resuming a running sandbox changes nothing.',
    status: 200,
    answer: one,
  }),
  destroy: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Destroy a sandbox and everything in it, for good.',
    status: 204,
  }),
} as const
