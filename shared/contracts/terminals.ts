/** Terminals of a sandbox, and the WebSocket on which one is seen and typed into (shared/terminal-frames.ts). */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { TERMINAL_PROTOCOL } from '../terminal-frames.ts'
import { terminalSize } from './guest-terminals.ts'
import { route } from './route.ts'
import { envSchema, plainText } from './sandbox-fields.ts'

const session_id = z.string().describe('What the paths of the terminal name it by.')

export const terminalAnswer = z.object({
  data: z.object({
    session_id,
    ...terminalSize,
    ws_url: z
      .url()
      .describe(
        `Where it is seen: a WebSocket of the sub-protocol \`${TERMINAL_PROTOCOL}\`. The ticket in it is good once and for ${LIMITS.streamTicketSec} seconds; whoever can send an Authorization header needs none. For another one: \`POST /v1/auth/sse-ticket\`.`,
      ),
  }),
})

export const terminalRecord = z.object({
  session_id,
  ...terminalSize,
  shell: z.string(),
  state: z.enum(['running', 'exited']),
  exit_code: z.int().nullable().describe('Of the shell, once it has ended.'),
  viewers: z.int().describe('How many are connected.'),
  cursor: z.int().describe('How many bytes it has shown.'),
  created_at: z.iso.datetime(),
})
export type TerminalRecord = z.infer<typeof terminalRecord>

const BODY = {
  cols: terminalSize.cols
    .default(LIMITS.terminalColsDefault)
    .describe(`Characters in a line. Default: ${LIMITS.terminalColsDefault}.`),
  rows: terminalSize.rows
    .default(LIMITS.terminalRowsDefault)
    .describe(`Lines. Default: ${LIMITS.terminalRowsDefault}.`),
  shell: plainText
    .min(1)
    .max(LIMITS.pathCharsMax)
    .default('/bin/bash')
    .describe('The program in it, by path or name, run without arguments. Default: `/bin/bash`.'),
  cwd: plainText
    .min(1)
    .max(LIMITS.pathCharsMax)
    .regex(/^\//, { error: 'must be an absolute path' })
    .optional()
    .describe('Where it begins. Default: where commands of its template run, `/workspace`.'),
  env: envSchema
    .default({})
    .describe("Variables of its own, over the sandbox's. `TERM` is `xterm-256color` unless this says otherwise."),
}

export const TERMINAL_ROUTES = {
  create: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/terminal',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'Begin a terminal. It goes on while nobody is connected, and through a pause of its sandbox.',
    body: z.object(BODY),
    status: 201,
    answer: terminalAnswer,
  }),
  list: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/terminal',
    class: 'read',
    scope: 'sandboxes:exec',
    summary: 'The terminals of a sandbox, in the order of their beginning; those that ended last, too.',
    status: 200,
    answer: z.object({ data: z.array(terminalRecord) }),
  }),
  delete: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/terminal/:session',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'End a terminal, and all that its shell has started.',
    status: 204,
  }),
  connect: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/terminal/:session/ws',
    class: 'change',
    scope: 'sandboxes:exec',
    summary: 'See a terminal and type into it. Any number of connections see the same, each from where it wants.',
    socket: TERMINAL_PROTOCOL,
    query: z.object({
      cursor: z.coerce
        .number()
        .int()
        .min(0)
        .default(0)
        .describe(
          'Go on after so many bytes of what it has shown, or from the oldest that is kept. Default: 0, all that is kept.',
        ),
      ticket: z.string().optional().describe('For a browser, which can send no header.'),
    }),
    status: 101,
  }),
} as const
