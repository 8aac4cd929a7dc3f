/**
 * Templates of a tenant's own: made from a build spec in a sandbox, by builds whose logs can be followed. Envelopes are a wire contract
 * that clients in the field already speak, with all of its quirks; cancelling, deleting a build, and logs in pages are ours.
 *
 * A template belongs to one region and has a name there: `X-Region` says which, and without it that is the home region.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { buildSpecIssue } from './build-spec.ts'
import { templateRecord } from './catalog.ts'
import { route } from './route.ts'
import { metadataSchema, plainText } from './sandbox-fields.ts'

export const BUILD_STATES = [
  'queued',
  'building',
  'certifying',
  'snapshotting',
  'ready',
  'failed',
  'cancelled',
] as const
export type BuildState = (typeof BUILD_STATES)[number]

/** What a create may say after a name and a colon; a number is a version. */
const tagName = z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/, {
  error: 'must begin with a letter and be at most 63 of a-z, 0-9, ".", "_" and "-"',
})

const spec = z.unknown()

export const createTemplateBody = z.object({
  name: plainText.min(1).max(LIMITS.nameCharsMax).describe('What you call it.'),
  slug: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
      error: 'must be 1 to 63 of a-z, 0-9 and "-", and neither begin nor end with "-"',
    })
    .nullish()
    .describe('What `template_id` takes. No two of yours in a region have the same. Default: made of the name.'),
  description: plainText.max(LIMITS.templateDescriptionCharsMax).nullish().describe('Words of yours. Default: none.'),
  build_spec: spec
    .optional()
    .describe('What its builds are made of, unless they say otherwise: see `GET /v1/sandbox-templates/build-spec`.'),
  metadata: metadataSchema.nullish().describe('Anything of yours. Default: nothing.'),
})
export type CreateTemplateBody = z.infer<typeof createTemplateBody>

export const createBuildBody = z.object({
  build_spec: spec.optional().describe('What it is made of. Default: the one of the template, or of its newest build.'),
  metadata: metadataSchema.nullish().describe('Anything of yours. Default: nothing.'),
  tags: z
    .array(tagName)
    .max(LIMITS.templateTagsMax)
    .nullish()
    .describe('Names, such as `stable`, that mean the version of this build from when it is ready. Default: none.'),
  no_cache: z
    .boolean()
    .nullish()
    .describe('True: every step is done anew, also one that was done before. Default: false.'),
})
export type CreateBuildBody = z.infer<typeof createBuildBody>

export const validateBody = z.object({ build_spec: spec.describe('What is to be judged.') })

export const buildStepRecord = z.object({
  index: z.int().describe('Its place, from 1.'),
  name: z.string().describe('What it does: a command, or what was made of packages and files.'),
  state: z.enum(['pending', 'running', 'done', 'cached', 'failed']).describe('`cached`: done by an earlier build.'),
  exit_code: z.int().nullable(),
  duration_ms: z.int().nullable().describe('Milliseconds that it took, in this build.'),
})
export type BuildStepRecord = z.infer<typeof buildStepRecord>

export const buildError = z.object({
  code: z.enum([
    'step_failed',
    'step_timeout',
    'start_failed',
    'not_ready',
    'build_timeout',
    'interrupted',
    'no_sandbox',
    'snapshot_failed',
  ]),
  message: z.string(),
  step: z.int().nullable().describe('The place of the step that failed, or null.'),
  exit_code: z.int().nullable(),
  output: z.string().describe('The last of what it printed.'),
})
export type BuildError = z.infer<typeof buildError>

export const buildRecord = z.object({
  id: z.string(),
  template_id: z.string(),
  template_name: z.string(),
  state: z.enum(BUILD_STATES),
  version: z.int().nullable().describe('The version that it became, or null until it is ready.'),
  tags: z.array(z.string()),
  from: z.string().describe('What it begins with: a built-in template, or a version of one of yours.'),
  build_spec: z.record(z.string(), z.unknown()),
  steps: z.array(buildStepRecord),
  error: buildError.nullable().describe('Why it failed, or null.'),
  sandbox_id: z.string().nullable().describe('The sandbox in which it is built, while it is.'),
  size_bytes: z.int().nullable().describe('What its snapshot takes, in bytes; null until it is ready.'),
  metadata: z.record(z.string(), z.unknown()),
  region: z.string(),
  created_at: z.iso.datetime(),
  started_at: z.iso.datetime().nullable(),
  finished_at: z.iso.datetime().nullable(),
})
export type BuildRecord = z.infer<typeof buildRecord>

export const buildLogLine = z.object({
  seq: z.int().describe('Its number; what comes later has a larger one.'),
  step: z.int().nullable().describe('The place of the step that said it; null is the build itself.'),
  stream: z.enum(['stdout', 'stderr', 'system']).describe('`system` is what the build says of itself.'),
  line: z.string(),
  ts: z.iso.datetime(),
})
export type BuildLogLine = z.infer<typeof buildLogLine>

const logQuery = z.object({
  cursor: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('The `seq` after which to go on. Default: 0, which is the beginning. `Last-Event-ID` goes first.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .optional()
    .describe(`How many lines at most, of a page. Default: ${LIMITS.listRowsMax}.`),
})

const build = z.object({ data: buildRecord })

export const TEMPLATE_ROUTES = {
  buildSpec: route({
    method: 'GET',
    path: '/v1/sandbox-templates/build-spec',
    class: 'read',
    scope: null,
    summary: 'What a build spec may hold, as a JSON schema. It is not in an envelope.',
    status: 200,
    answer: z.looseObject({ version: z.string() }),
  }),
  validate: route({
    method: 'POST',
    path: '/v1/sandbox-templates/validate',
    class: 'change',
    scope: 'sandboxes:read',
    summary: 'Judge a build spec without building it. The answer is not in an envelope.',
    body: validateBody,
    status: 200,
    answer: z.object({
      valid: z.boolean(),
      build_spec: z
        .record(z.string(), z.unknown())
        .describe('With every default filled in; as it was sent if not valid.'),
      errors: z.array(buildSpecIssue),
    }),
  }),
  create: route({
    method: 'POST',
    path: '/v1/sandbox-templates',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Make a template. It has nothing in it until a build of it is ready.',
    body: createTemplateBody,
    status: 201,
    answer: z.object({ data: templateRecord }),
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/sandbox-templates/:id',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Delete a template with all of its versions. Refused while anything was made of it.',
    status: 204,
  }),
  createBuild: route({
    method: 'POST',
    path: '/v1/sandbox-templates/:id/builds',
    class: 'change',
    scope: 'sandboxes:write',
    once: true,
    summary: 'Build a template. A build that succeeds is its next version.',
    body: createBuildBody,
    status: 201,
    answer: build,
  }),
  builds: route({
    method: 'GET',
    path: '/v1/sandbox-templates/:id/builds',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'The builds of a template, newest first.',
    status: 200,
    answer: z.object({ data: z.array(buildRecord) }),
  }),
  build: route({
    method: 'GET',
    path: '/v1/sandbox-template-builds/:id',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'Read one build.',
    status: 200,
    answer: build,
  }),
  logs: route({
    method: 'GET',
    path: '/v1/sandbox-template-builds/:id/logs',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'What a build has said, oldest first.',
    query: logQuery,
    status: 200,
    answer: z.object({ data: z.array(buildLogLine), next_cursor: z.string().nullable() }),
  }),
  logStream: route({
    method: 'GET',
    path: '/v1/sandbox-template-builds/:id/logs/stream',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'The same as it is said, to its end; `Last-Event-ID` goes on where a stream broke off.',
    told: '`log`: a line as a page has it. `end` {`build_id`, `state`, `version`, `error`}: what became of the build, and the last.',
    query: logQuery.omit({ limit: true }),
    status: 200,
    stream: 'text/event-stream',
  }),
  cancel: route({
    method: 'POST',
    path: '/v1/sandbox-template-builds/:id/cancel',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'End a build that is not ready yet. Cancelling one that has ended changes nothing.',
    status: 200,
    answer: build,
  }),
  removeBuild: route({
    method: 'DELETE',
    path: '/v1/sandbox-template-builds/:id',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Delete a build that has ended, with its version. Refused while anything was made of it.',
    status: 204,
  }),
} as const
