/** Code that runs in a sandbox, in contexts that keep its state from call to call. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { CODE_LANGUAGES, CODE_REASONS, codeError, codeResult } from './code-fields.ts'
import { route } from './route.ts'
import { boundedText, envSchema, plainText } from './sandbox-fields.ts'

export const codeLanguage = z.enum(CODE_LANGUAGES).describe('What the code is written in.')
const folder = plainText.min(1).max(LIMITS.pathCharsMax).regex(/^\//, { error: 'must be an absolute path' })

/** What a call of code says, wherever it is sent. */
export const codeShape = {
  code: boundedText(LIMITS.codeBytesMax).describe('What is run. The value of its last expression is a result.'),
  context_id: z
    .string()
    .max(LIMITS.nameCharsMax)
    .optional()
    .describe('A context of this language. Default: the one that every language has.'),
  timeout: z
    .number()
    .positive()
    .max(LIMITS.execTimeoutSecMax)
    .optional()
    .describe(
      `Seconds from its turn. When they are over the code is interrupted, and exit_code is 124; its context lives on if it heeds that. Default: ${LIMITS.execTimeoutSecDefault}.`,
    ),
  env: envSchema.optional().describe('Variables of this call only. Default: none.'),
  cwd: folder.optional().describe('The folder of this call only. Default: where the context stands.'),
}

export const codeBody = z.object({
  ...codeShape,
  language: codeLanguage.default('python').describe('Default: `python`.'),
})
export type CodeBody = z.infer<typeof codeBody>

const endShape = {
  exit_code: z
    .int()
    .describe('0; 1 after an error; what the code left the interpreter with; 124 and 130 when it was ended.'),
  reason: z.enum(CODE_REASONS).describe('Why it ended.'),
  execution_count: z.int().describe('The number of the call in its context, from 1.'),
  duration_ms: z.int().describe('Milliseconds from its turn to its end.'),
  context_id: z.string().describe('Where it ran.'),
  context_restarted: z
    .boolean()
    .describe('What the context kept is gone: its process ended in this call, or since the one before.'),
  truncated: z.boolean().describe('Output or results were more than an answer may have, and the rest is left out.'),
}
export const codeAnswer = z.object({
  stdout: z
    .string()
    .describe(`What it printed, as UTF-8; other bytes are U+FFFD. At most ${LIMITS.execOutputBytesMax} bytes.`),
  stderr: z.string().describe('The same of its standard error.'),
  results: z.array(codeResult).describe('What it has shown, in order: also figures of matplotlib that were left open.'),
  error: codeError.nullable().describe('What ended it, if it raised something.'),
  ...endShape,
})
export type CodeAnswer = z.infer<typeof codeAnswer>

export const codeContextRecord = z.object({
  id: z.string().describe('What `context_id` names it by.'),
  language: codeLanguage,
  cwd: z.string().describe('The folder where it began.'),
  is_default: z.boolean().describe('It is the one that is used where none is named.'),
  execution_count: z.int().describe('How many calls it has run since it began, or was restarted.'),
  state: z.enum(['idle', 'running']).describe('Whether a call runs in it.'),
  created_at: z.iso.datetime(),
})
export type CodeContextRecord = z.infer<typeof codeContextRecord>

const context = z.object({ data: codeContextRecord })
const path = '/v1/sandboxes/:id/code'

export const CODE_ROUTES = {
  run: route({
    method: 'POST',
    path,
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Run code in a context that keeps its state. Calls of one context run one after another.',
    body: codeBody,
    status: 200,
    answer: z.object({ data: codeAnswer }),
    forms: true,
    told:
      '`started` {`context_id`, `execution_count`}. `stdout` and `stderr` {`data`}: what was printed, cut anywhere. `result`: as in `results`. ' +
      '`error` {`name`, `value`, `traceback`}: what the code raised. `end`: what else the answer has, and the last. ' +
      '`error` {`code`, `message`, `retry`, `next`} in its place: the stream broke.',
  }),
  createContext: route({
    method: 'POST',
    path: `${path}/contexts`,
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Make one more context.',
    body: z.object({
      language: codeLanguage.default('python').describe('Default: `python`.'),
      cwd: folder.default('/workspace').describe('The folder where it begins. Default: `/workspace`.'),
    }),
    status: 201,
    answer: context,
  }),
  listContexts: route({
    method: 'GET',
    path: `${path}/contexts`,
    class: 'read',
    scope: 'sandboxes:exec',
    summary: 'The contexts of a sandbox, in the order in which they were made.',
    status: 200,
    answer: z.object({ data: z.array(codeContextRecord) }),
  }),
  deleteContext: route({
    method: 'DELETE',
    path: `${path}/contexts/:context`,
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'End a context, with whatever runs in it.',
    status: 204,
  }),
  restartContext: route({
    method: 'POST',
    path: `${path}/contexts/:context/restart`,
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'End whatever runs in a context and forget its state; it stays, under its id.',
    status: 200,
    answer: context,
  }),
  interruptContext: route({
    method: 'POST',
    path: `${path}/contexts/:context/interrupt`,
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Interrupt what runs in a context, as Ctrl-C does; its state stays.',
    status: 200,
    answer: context,
  }),
} as const
