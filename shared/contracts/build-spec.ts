/**
 * What a template of a tenant's own is made of: a template to begin with, and what is done in a sandbox of it, in this order: packages,
 * files, steps, the start command. Field names are a wire contract that clients in the field already speak; `packages`, `files`,
 * `egress` and the `user` of a step are ours.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { SIZE_NAMES } from '../machines.ts'
import { PORT_MAX } from '../preview-address.ts'
import { egressWishSchema } from './egress-fields.ts'
import { boundedText, envSchema, plainText, utf8Bytes } from './sandbox-fields.ts'

/** Changes when an older client could not read a newer spec any more. */
export const BUILD_SPEC_VERSION = '2026-05-13'

const users = z.enum(['sandbox', 'root'])
const command = boundedText(LIMITS.commandBytesMax).refine((line) => line.trim() !== '', { error: 'must not be empty' })
const absolutePath = plainText.max(LIMITS.pathCharsMax).regex(/^\/(?!.*(^|\/)\.\.?(\/|$))[^\n]*$/, {
  error: 'must begin with "/" and have no "." or ".." in it',
})

/** Names go to a package manager as they are, so none may look like an option, a path or a command. */
const packageNames = z
  .array(
    z.string().regex(/^[A-Za-z0-9@][A-Za-z0-9@._+~:/^=<>!,[\]-]{0,199}$/, { error: 'must be the name of a package' }),
  )
  .max(LIMITS.buildPackagesMax)
  .default([])

const fileSchema = z
  .object({
    path: absolutePath.describe('Where it is written; directories on the way are made.'),
    content: plainText.nullish().describe('What is in it, as text. Either this or `contentBase64`.'),
    contentBase64: z.base64().nullish().describe('What is in it, as base64.'),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, { error: 'must be three octal digits' })
      .default('0644')
      .describe('Its permissions, in octal. Default: `0644`.'),
    user: users.nullish().describe('Whose it is. Default: the `user` of the whole.'),
  })
  .refine(({ content, contentBase64 }) => (content ?? null) === null || (contentBase64 ?? null) === null, {
    error: 'must not be given beside content',
    path: ['contentBase64'],
  })

const bytesOf = ({ content, contentBase64 }: z.infer<typeof fileSchema>): number =>
  contentBase64 === null || contentBase64 === undefined
    ? utf8Bytes(content ?? '')
    : Math.floor((contentBase64.length * 3) / 4)

export const buildStep = z.object({
  run: command.describe('A line, or several, for bash; the first command that fails ends the build.'),
  user: users.nullish().describe('Who runs it. Default: the `user` of the whole.'),
})

const whole = (min: number, max: number) => z.int().min(min).max(max).nullish()

export const buildSpec = z
  .object({
    from: plainText
      .min(1)
      .max(LIMITS.nameCharsMax)
      .default('default')
      .describe('A built-in template, or one of yours: `name`, `name:version` or `name:tag`. Default: `default`.'),
    size: z.enum(SIZE_NAMES).nullish().describe('The machine, by name. Default: that of `from`, or the default size.'),
    vcpu: whole(LIMITS.vcpusMin, LIMITS.vcpusMax).describe('Virtual processors, instead of those of `size`.'),
    memoryMib: whole(LIMITS.memoryMibMin, LIMITS.memoryMibMax).describe('Memory in MiB, instead of that of `size`.'),
    diskMib: whole(LIMITS.diskMibMin, LIMITS.diskMibMax).describe('Disk in MiB, instead of that of `size`.'),
    packages: z
      .object({
        apt: packageNames.describe('Packages of Debian.'),
        pip: packageNames.describe('Packages of Python.'),
        npm: packageNames.describe('Packages of Node, installed globally.'),
      })
      .default({ apt: [], pip: [], npm: [] })
      .describe('What is installed first. Default: nothing.'),
    files: z
      .array(fileSchema)
      .max(LIMITS.buildFilesMax)
      .default([])
      .refine((files) => files.every((file) => bytesOf(file) <= LIMITS.buildFileBytesMax), {
        error: `must have at most ${LIMITS.buildFileBytesMax} bytes in each file`,
      })
      .describe('Files that are written after that. Default: none.'),
    steps: z
      .array(buildStep)
      .max(LIMITS.buildStepsMax)
      .default([])
      .describe('Commands that are run after that, one after the other. Default: none.'),
    egress: egressWishSchema
      .nullish()
      .describe(
        'Where the build may go, as a create says it; `packages` open the registries that they come from. What is made of it goes nowhere for that. Whatever opens something needs the scope `egress:write`. Default: nowhere else.',
      ),
    env: envSchema
      .default({})
      .describe('Variables of every process of the build, and of every sandbox that is made of it. Default: none.'),
    workdir: absolutePath
      .default('/workspace')
      .describe('Where commands run unless they say otherwise; made when it is not there. Default: `/workspace`.'),
    user: users.default('sandbox').describe('Who runs the steps. Default: `sandbox`, who may use sudo.'),
    startCmd: command
      .nullish()
      .describe(
        'What runs in every sandbox that is made of it: it is started last, and kept running. Default: nothing.',
      ),
    readyCmd: command
      .nullish()
      .describe('The build is good when this command succeeds; it is tried until it does. Default: nothing.'),
    previewPort: whole(1, PORT_MAX).describe('The port that its server listens on. Default: none.'),
    artifactPaths: z
      .array(absolutePath)
      .max(LIMITS.buildArtifactsMax)
      .default([])
      .describe('What it makes that is worth keeping. Default: nothing.'),
  })
  .describe('What a template is made of.')
export type BuildSpec = z.infer<typeof buildSpec>
export type BuildFile = BuildSpec['files'][number]

/** What is wrong with a spec, field by field. */
export const buildSpecIssue = z.object({ code: z.string(), field: z.string(), message: z.string() })
export type BuildSpecIssue = z.infer<typeof buildSpecIssue>
