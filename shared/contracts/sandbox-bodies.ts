/** What callers send about sandboxes: generous in what is accepted, so that unknown fields are ignored. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { SIZE_NAMES } from '../machines.ts'
import {
  boundedText,
  envSchema,
  externalIdSchema,
  idleTimeoutSecSchema,
  metadataSchema,
  nameSchema,
  plainText,
  slugSchema,
  tagsSchema,
  templateSchema,
  timeoutSecSchema,
  utf8Bytes,
} from './sandbox-fields.ts'

/** What other servers of this contract can do and this one cannot. A create that asks for it is refused: without it the sandbox would not be what was asked for. */
export const UNSUPPORTED_FIELDS = [
  'volumes',
  'services',
  'database',
  'entrypoint',
  'readiness_probe',
  'github_repo_url',
  'agent_runtime_profile_id',
] as const
const unsupported = Object.fromEntries(UNSUPPORTED_FIELDS.map((field) => [field, z.unknown().optional()])) as Record<
  (typeof UNSUPPORTED_FIELDS)[number],
  z.ZodOptional<z.ZodUnknown>
>

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
  timeout_sec: timeoutSecSchema.optional(),
  idle_timeout_sec: idleTimeoutSecSchema.optional(),
  always_on: z.boolean().optional(),
  persistent: z.boolean().optional(),
  name: nameSchema.optional(),
  slug: slugSchema.optional(),
  region: z.string().max(LIMITS.nameCharsMax).optional(),
  env: envSchema.optional(),
  metadata: metadataSchema.optional(),
  tags: tagsSchema.optional(),
  /** One of the tenant's workspaces; the first one given in this order counts. Without any it is the default one. */
  workspace_id: plainText.min(1).max(LIMITS.nameCharsMax).optional(),
  workspace_slug: plainText.min(1).max(LIMITS.nameCharsMax).optional(),
  workspace_name: plainText.min(1).max(LIMITS.nameCharsMax).optional(),
  external_workspace_id: externalIdSchema.optional(),
  external_user_id: externalIdSchema.optional(),
  external_project_id: externalIdSchema.optional(),
  /** Go on from this snapshot instead of from a template; template and machine are those of the snapshot. */
  snapshot_id: z.string().max(LIMITS.nameCharsMax).nullish(),
  ...unsupported,
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

export const createSandboxBody = z.object({
  ...createShape,
  /** False: answer as soon as the sandbox is sure to be made, before it runs. */
  wait: z.boolean().optional(),
  /** Answer after this long even when it does not run yet. */
  wait_timeout_ms: z.int().min(0).max(LIMITS.createWaitMsMax).optional(),
})
export type CreateSandboxBody = z.infer<typeof createSandboxBody>

export const execBody = z.object(execShape).refine(oneOfCommandAndCmd, oneOfMessage)
export type ExecBody = z.infer<typeof execBody>

/** Create and run in one call. `env` belongs to the sandbox and so to its first command too; `timeout` to the command. */
export const runBody = z
  .object({
    ...execShape,
    ...createShape,
    wait: z.literal(true, { error: 'must be true: the answer has what the command said' }).optional(),
  })
  .refine(oneOfCommandAndCmd, oneOfMessage)
export type RunBody = z.infer<typeof runBody>

/** What is given is changed, the rest stays. */
export const updateBody = z.object({
  name: nameSchema.optional(),
  slug: slugSchema.optional(),
  tags: tagsSchema.optional(),
  /** Merged into what is there; null takes a key away. */
  metadata: metadataSchema.optional(),
  always_on: z.boolean().optional(),
  /** From now on; what runs ends this long after the request. */
  timeout_sec: timeoutSecSchema.optional(),
  idle_timeout_sec: idleTimeoutSecSchema.optional(),
})
export type UpdateBody = z.infer<typeof updateBody>

export const tagsBody = z.object({ tags: tagsSchema })

/** Without a time, that of the sandbox. */
export const extendBody = z.object({ timeout_sec: timeoutSecSchema.optional() })
