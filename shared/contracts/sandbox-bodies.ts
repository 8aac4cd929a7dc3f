/** What callers send about sandboxes: generous in what is accepted, so that unknown fields are ignored. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { SIZE_NAMES } from '../machines.ts'
import { codeLanguage, codeShape } from './code.ts'
import { egressWishSchema } from './egress-fields.ts'
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
const refused = z.unknown().optional().describe('Not supported here: anything but an empty value is refused.')
const unsupported = Object.fromEntries(UNSUPPORTED_FIELDS.map((field) => [field, refused])) as Record<
  (typeof UNSUPPORTED_FIELDS)[number],
  z.ZodOptional<z.ZodUnknown>
>

const createShape = {
  template_id: templateSchema
    .optional()
    .describe(
      'What its disk begins with, by name: see `GET /v1/compute/templates`. Default: `default`. Of the four spellings the first one given counts, in the order `template_id`, `template`, `image_id`, `image`.',
    ),
  template: templateSchema.optional().describe('Another spelling of `template_id`.'),
  image_id: templateSchema.optional().describe('Another spelling of `template_id`.'),
  image: templateSchema.optional().describe('Another spelling of `template_id`.'),
  size: z
    .enum(SIZE_NAMES)
    .optional()
    .describe('A named machine: see `GET /v1/compute/sizes`, which also says which is the default.'),
  cpu_count: z
    .int()
    .min(LIMITS.vcpusMin)
    .max(LIMITS.vcpusMax)
    .optional()
    .describe('Virtual processors, instead of those of `size`.'),
  memory_mb: z
    .int()
    .min(LIMITS.memoryMibMin)
    .max(LIMITS.memoryMibMax)
    .optional()
    .describe('Memory in MiB, instead of that of `size`.'),
  disk_size_mb: z
    .int()
    .min(LIMITS.diskMibMin)
    .max(LIMITS.diskMibMax)
    .optional()
    .describe('Disk in MiB, instead of that of `size`.'),
  disk_mb: z
    .int()
    .min(LIMITS.diskMibMin)
    .max(LIMITS.diskMibMax)
    .optional()
    .describe('Another spelling of `disk_size_mb`, which goes first.'),
  timeout_sec: timeoutSecSchema
    .optional()
    .describe(
      `Seconds that it runs, from when it is ready; then it is paused, or destroyed if it is not persistent. Default: ${LIMITS.timeoutSecDefault}, or the most that the tier allows when that is less. Resumed, it has the whole time again.`,
    ),
  idle_timeout_sec: idleTimeoutSecSchema
    .optional()
    .describe(
      'Seconds without a command, a visitor or another call into it after which the same happens. Default: 0, which is never.',
    ),
  always_on: z
    .boolean()
    .optional()
    .describe('True: neither `timeout_sec` nor `idle_timeout_sec` ever stops it. Default: false.'),
  persistent: z
    .boolean()
    .optional()
    .describe(
      'What happens when its time is over. True: it is paused, keeps everything, and wakes when it is used. False: it is destroyed. Default: true.',
    ),
  name: nameSchema
    .optional()
    .describe('What you call it. One that lives has it to itself; paths take it in place of the id. Default: none.'),
  slug: slugSchema.optional().describe('The same, fit for a host name.'),
  region: z
    .string()
    .max(LIMITS.nameCharsMax)
    .optional()
    .describe(
      'A region by code or name, as `X-Region` says it; they must not differ. Default: the nearest one with room.',
    ),
  env: envSchema.optional().describe('Variables of every process in it. Default: none.'),
  egress: egressWishSchema.optional(),
  metadata: metadataSchema
    .optional()
    .describe(
      `Anything of yours, at most ${LIMITS.metadataBytesMax} bytes as JSON. Lists can be narrowed by it. Default: none.`,
    ),
  tags: tagsSchema.optional().describe('Words of yours. Lists can be narrowed by them. Default: none.'),
  workspace_id: plainText
    .min(1)
    .max(LIMITS.nameCharsMax)
    .optional()
    .describe(
      'One of your workspaces, by id. Default: the default workspace. Of the three fields the first one given counts, in the order `workspace_id`, `workspace_slug`, `workspace_name`.',
    ),
  workspace_slug: plainText.min(1).max(LIMITS.nameCharsMax).optional().describe('One of your workspaces, by slug.'),
  workspace_name: plainText.min(1).max(LIMITS.nameCharsMax).optional().describe('One of your workspaces, by name.'),
  external_workspace_id: externalIdSchema.optional().describe('An id of your own, by which lists can be narrowed.'),
  external_user_id: externalIdSchema
    .optional()
    .describe(
      'Your own user to whom it belongs. A key that was made for that user sees it, and their limit counts it.',
    ),
  external_project_id: externalIdSchema.optional().describe('An id of your own, by which lists can be narrowed.'),
  snapshot_id: z
    .string()
    .max(LIMITS.nameCharsMax)
    .nullish()
    .describe('Go on from this snapshot instead of from a template; template and machine are those of the snapshot.'),
  ...unsupported,
}

const execShape = {
  command: boundedText(LIMITS.commandBytesMax)
    .min(1)
    .optional()
    .describe('A shell line, run by `bash -c`. Give either this or `cmd`.'),
  cmd: boundedText(LIMITS.commandBytesMax)
    .min(1)
    .optional()
    .describe('A program, run with `args` and without a shell.'),
  args: z
    .array(boundedText(LIMITS.commandBytesMax))
    .max(LIMITS.argvCountMax)
    .optional()
    .describe('The arguments of `cmd`. Default: none.'),
  cwd: plainText
    .min(1)
    .max(LIMITS.pathCharsMax)
    .regex(/^\//, { error: 'must be an absolute path' })
    .optional()
    .describe('The folder where it runs. Default: `/workspace`.'),
  env: envSchema
    .optional()
    .describe('Variables of this command, beside and before those of the sandbox. Default: none.'),
  user: z.enum(['sandbox', 'root']).optional().describe('The user that it runs as. Default: `sandbox`.'),
  stdin: z
    .string()
    .refine((text) => text.isWellFormed(), { error: 'must not contain unpaired surrogates' })
    .refine((text) => utf8Bytes(text) <= LIMITS.stdinBytesMax, {
      error: `must be at most ${LIMITS.stdinBytesMax} bytes`,
    })
    .optional()
    .describe('What it reads, NUL included: a program may read whatever it likes. Default: nothing.'),
  timeout: z
    .number()
    .positive()
    .max(LIMITS.execTimeoutSecMax)
    .optional()
    .describe(
      `Seconds. When they are over the process and its children are killed, and exit_code is 124. Default: ${LIMITS.execTimeoutSecDefault}.`,
    ),
}

/** Code in place of a command: what else is said of a command is not for it, but for `env`, `cwd` and `timeout`. */
const codeInExec = {
  code: codeShape.code
    .optional()
    .describe('Code in place of a command, run as `POST /v1/sandboxes/{id}/code` does, with its answer.'),
  language: codeLanguage.optional().describe('What `code` is written in. Default: `python`.'),
  context_id: codeShape.context_id.describe('The context of `code`. Default: the one that its language has.'),
}
type Given = Partial<Record<'command' | 'cmd' | 'code', string | undefined>>
const oneOfThree = ({ command, cmd, code }: Given): boolean =>
  [command, cmd, code].filter((given) => given !== undefined).length === 1
const forCommands = ['args', 'user', 'stdin', 'detached'] as const

const oneOfCommandAndCmd = (body: { command?: string | undefined; cmd?: string | undefined }): boolean =>
  (body.command === undefined) !== (body.cmd === undefined)
const oneOfMessage = { error: 'Give either command (a shell line) or cmd with args.', path: ['command'] }

export const createSandboxBody = z.object({
  ...createShape,
  wait: z
    .boolean()
    .optional()
    .describe('False: answer as soon as the sandbox is sure to be made, before it runs. Default: true.'),
  wait_timeout_ms: z
    .int()
    .min(0)
    .max(LIMITS.createWaitMsMax)
    .optional()
    .describe(
      'Milliseconds after which the answer comes even when it does not run yet; its `state` says so. Default: until it runs.',
    ),
})
export type CreateSandboxBody = z.infer<typeof createSandboxBody>

export const execBody = z
  .object({
    ...execShape,
    ...codeInExec,
    timeout: execShape.timeout.describe(
      `Seconds. When they are over the process and its children are killed, and exit_code is 124. Default: ${LIMITS.execTimeoutSecDefault}; ${LIMITS.execTimeoutSecMax} for a command that is told as it runs.`,
    ),
    detached: z
      .boolean()
      .optional()
      .describe(
        'True: start it as a process in the background, and answer with its id as `job_id`; without a `timeout` it has none. Default: false.',
      ),
  })
  .refine(oneOfThree, { error: 'Give one of command (a shell line), cmd with args, and code.', path: ['command'] })
  .refine((body) => body.code === undefined || forCommands.every((field) => body[field] === undefined), {
    error: `code is run without ${forCommands.join(', ')}`,
    path: ['code'],
  })
export type ExecBody = z.infer<typeof execBody>

/** A process in the background. */
export const processBody = z
  .object({
    ...execShape,
    timeout: z
      .number()
      .min(0)
      .max(LIMITS.processTimeoutSecMax)
      .optional()
      .describe(
        'Seconds, as the sandbox runs. When they are over the process and its children are killed. Default: 0, which is never.',
      ),
    stdin: execShape.stdin.describe(
      'What it reads first. Its stdin stays open for more until it is closed. Default: nothing.',
    ),
    name: plainText.min(1).max(LIMITS.nameCharsMax).optional().describe('What you call it. Default: nothing.'),
  })
  .refine(oneOfCommandAndCmd, oneOfMessage)
export type ProcessBody = z.infer<typeof processBody>

/** Create and run in one call. `env` belongs to the sandbox and so to its first command too; `timeout` to the command. */
export const runBody = z
  .object({
    ...execShape,
    ...createShape,
    wait: z
      .literal(true, { error: 'must be true: the answer has what the command said' })
      .optional()
      .describe('Always true: the answer has what the command said.'),
  })
  .refine(oneOfCommandAndCmd, oneOfMessage)
export type RunBody = z.infer<typeof runBody>

/** What is given is changed, the rest stays. */
export const updateBody = z.object({
  name: nameSchema.optional().describe('What you call it.'),
  slug: slugSchema.optional().describe('The same, fit for a host name.'),
  tags: tagsSchema.optional().describe('All its tags from now on.'),
  metadata: metadataSchema.optional().describe('Merged into what is there; null takes a key away.'),
  always_on: z.boolean().optional().describe('True: no time stops it. False: `timeout_sec` counts again, from now.'),
  timeout_sec: timeoutSecSchema
    .optional()
    .describe('Seconds. From now on; what runs ends this long after the request.'),
  idle_timeout_sec: idleTimeoutSecSchema
    .optional()
    .describe('Seconds without a command, a visitor or another call into it after which it stops; 0 is never.'),
})
export type UpdateBody = z.infer<typeof updateBody>

export const tagsBody = z.object({ tags: tagsSchema.describe('All its tags from now on.') })

export const extendBody = z.object({
  timeout_sec: timeoutSecSchema.optional().describe('Seconds from now. Default: the `timeout_sec` of the sandbox.'),
})
