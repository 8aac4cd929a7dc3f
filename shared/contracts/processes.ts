/**
 * Processes that outlive their connections, streamed commands, and the environment of both.
 *
 * A stream is told line by line, in three forms of the same events. `cursor` (`id:` of server-sent events) is a place between two lines;
 * whoever asks for a process's stream with the last one that they have goes on exactly there. What the sandbox no longer keeps is said to
 * be lost, with its number of bytes.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'
import { execBody, processBody } from './sandbox-bodies.ts'
import { boundedText, utf8Bytes } from './sandbox-fields.ts'

const moment = z.iso.datetime()

export const processRecord = z.object({
  pid: z.string().describe('Names it in this sandbox, and in what is forked from that.'),
  name: z.string().nullable().describe('As it was given, or null.'),
  command: z.string().describe('What it runs; a long one is cut.'),
  cwd: z.string().describe('The folder where it was started.'),
  user: z.enum(['sandbox', 'root']).describe('The user that it runs as.'),
  status: z.enum(['running', 'exited']).describe('Whether it runs.'),
  state: z.enum(['running', 'exited']).describe('The same as `status`.'),
  stdin_open: z.boolean().describe('Whether it can be written to.'),
  started_at: moment.describe('When it was started, by the clock of its sandbox.'),
  ended_at: moment.optional().describe('When it ended.'),
  exit_code: z.int().optional().describe('As that of a command, once it has ended.'),
  reason: z
    .enum(['exit', 'signal', 'timeout', 'out_of_memory'])
    .optional()
    .describe('Why it ended: by itself, by a signal, because its timeout was over, or for lack of memory.'),
  duration_ms: z.int().optional().describe('Milliseconds from its start to its end.'),
})
export type ProcessRecord = z.infer<typeof processRecord>

const one = z.object({ data: processRecord })

const cursor = z
  .string()
  .regex(/^\d{1,15}\.\d{1,15}\.\d{1,15}$/, { error: 'must be a cursor of this stream' })
  .optional()
  .describe('Go on after this place; `Last-Event-ID` says the same. Default: from the oldest output that is kept.')

export const signalBody = z.object({
  signal: z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9+-]{1,16}$/, { error: 'must be the name of a signal, like SIGINT' })
    .describe('By name, like `SIGINT`. It goes to the whole process group.'),
})

const base64 = z.base64().max(Math.ceil(LIMITS.stdinBytesMax / 3) * 4)

export const stdinBody = z
  .object({
    data: z
      .string()
      .refine((text) => text.isWellFormed() && utf8Bytes(text) <= LIMITS.stdinBytesMax, {
        error: `must be at most ${LIMITS.stdinBytesMax} bytes, without unpaired surrogates`,
      })
      .optional()
      .describe('Text that it reads. Give either this or `data_base64`.'),
    data_base64: base64.optional().describe('Bytes that it reads.'),
    eof: z.boolean().optional().describe('Whether that was the end of its input. Default: false.'),
  })
  .refine(({ data, data_base64 }) => data === undefined || data_base64 === undefined, {
    error: 'Give either data or data_base64.',
    path: ['data'],
  })

/** How a command is told as it runs. */
export const OUTPUT_TOLD =
  '`stdout` and `stderr` {`line`}: a line without its end; with `partial` it is a piece of a longer one, which goes on. ' +
  '`lost` {`stdout_bytes`, `stderr_bytes`}: so much is not kept any more. `exit` {`exit_code`, `duration_ms`, `reason`} is the last. ' +
  '`error` {`code`, `message`, `retry`, `next`} in its place: the stream broke.'

const key = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'must be a name of letters, digits and "_"' })
const variable = z.object({
  key: key.describe('The name of the variable.'),
  value: boundedText(LIMITS.envBytesMax)
    .optional()
    .describe('What it is set to. An encrypted one that you were never told may be sent back without it, and stays.'),
  encrypted: z.boolean().optional().describe('Never tell its value in an answer. Default: false.'),
})

export const envBody = z.object({
  vars: z
    .array(variable)
    .max(LIMITS.envCountMax)
    .refine((vars) => utf8Bytes(JSON.stringify(vars)) <= LIMITS.envBytesMax, {
      error: `must be at most ${LIMITS.envBytesMax} bytes in all`,
    })
    .describe('All variables from now on.'),
})

const envAnswer = z.object({
  data: z.array(
    z.object({
      key: z.string(),
      value: z.string().optional().describe('Left out when it is encrypted.'),
      encrypted: z.boolean(),
    }),
  ),
})

export const PROCESS_ROUTES = {
  execStream: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/exec/stream',
    class: 'change',
    scope: 'sandboxes:exec',
    summary:
      'Run a command and tell line by line what it says. Slow readers slow it down. It ends a few seconds after its caller has gone.',
    body: execBody,
    status: 200,
    stream: 'text/event-stream',
    forms: true,
    told: OUTPUT_TOLD,
  }),
  list: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/processes',
    class: 'read',
    scope: 'sandboxes:exec',
    summary: 'List the processes of a sandbox, oldest first: those that run, and the newest of those that have ended.',
    status: 200,
    answer: z.object({ data: z.array(processRecord) }),
  }),
  start: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/processes',
    class: 'change',
    scope: 'sandboxes:exec',
    once: true,
    summary: 'Start a process that runs until it ends by itself, whoever listens.',
    body: processBody,
    status: 201,
    answer: one,
  }),
  get: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/processes/:pid',
    class: 'read',
    scope: 'sandboxes:exec',
    summary: 'Read one process.',
    status: 200,
    answer: one,
  }),
  delete: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/processes/:pid',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'End a process and what it started, with SIGTERM and soon after with SIGKILL, and forget it.',
    status: 204,
  }),
  logs: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/processes/:pid/logs',
    class: 'read',
    scope: 'sandboxes:exec',
    summary: 'The last lines that a process said, as far as they are kept.',
    query: z.object({
      tail: z.coerce
        .number()
        .int()
        .min(1)
        .max(LIMITS.processTailLinesMax)
        .default(LIMITS.processTailLinesDefault)
        .describe(`How many of the last lines, at most. Default: ${LIMITS.processTailLinesDefault}.`),
    }),
    status: 200,
    answer: z.object({ data: z.string() }),
  }),
  stream: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/processes/:pid/stream',
    class: 'read',
    scope: 'sandboxes:exec',
    summary: 'Tell line by line what a process said and says. Nobody who listens ever holds it up.',
    query: z.object({ cursor }),
    status: 200,
    stream: 'text/event-stream',
    forms: true,
    told: OUTPUT_TOLD,
  }),
  signal: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/processes/:pid/signal',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Send a signal to a process and its group.',
    body: signalBody,
    status: 200,
    answer: z.object({ data: z.object({ ok: z.literal(true) }) }),
  }),
  stdin: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/processes/:pid/stdin',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Write to the stdin of a process.',
    body: stdinBody,
    status: 200,
    answer: z.object({ data: z.object({ ok: z.literal(true) }) }),
  }),
  closeStdin: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/processes/:pid/stdin',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'End the stdin of a process. Ending it twice changes nothing.',
    status: 204,
  }),
} as const

export const ENV_ROUTES = {
  get: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/env',
    class: 'read',
    scope: 'sandboxes:exec',
    summary: 'List the variables with which every process of a sandbox starts, by name.',
    status: 200,
    answer: envAnswer,
  }),
  set: route({
    method: 'PUT',
    path: '/v1/sandboxes/:id/env',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Replace the variables of a sandbox, for every process that is started afterwards, and list them by name.',
    body: envBody,
    status: 200,
    answer: envAnswer,
  }),
  delete: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/env/:key',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Take a variable away, for every process that is started afterwards.',
    status: 204,
  }),
} as const
