/**
 * What is asked of the agent about code. Its side is origin/guest/code_*.go, and the drivers in origin/guest/interpreters.
 *
 * A context is an interpreter that keeps its state from call to call; its calls run one after another. Each language has a default one,
 * `ctx_<language>`, made when it is first used. They are of no session: they go on through a pause, a fork and a restarted daemon.
 *
 *   POST   /v1/code  guestCodeOrder             200, frames (CODE_FRAME): started, then output, results and failures in any order,
 *                                               exited. The head comes when it is the call's turn. Resetting the stream interrupts it.
 *   POST   /v1/code/warm  guestWarmUp           204 when it has run in the default context; nobody's call counts it
 *   GET    /v1/code/contexts                    `guestCodeContexts`, in the order in which they were made
 *   POST   /v1/code/contexts  {language, cwd}   201, `guestCodeContext`
 *   DELETE /v1/code/contexts/ID                 204. What runs in it is killed.
 *   POST   /v1/code/contexts/ID/restart         `guestCodeContext`. What runs in it is killed, and its state is gone.
 *   POST   /v1/code/contexts/ID/interrupt       `guestCodeContext`. What runs in it is interrupted; it does nothing when nothing runs.
 *
 * Refused: context_not_found, context_limit, sandbox_busy (too many wait), process_not_started, invalid_request.
 */
import * as z from 'zod'
import { FRAME } from '../frames.ts'
import { LIMITS } from '../limits.ts'
import { CODE_LANGUAGES, CODE_REASONS } from './code-fields.ts'

/** A result or a failure is JSON of any length: pieces, and a last one whose type says what all of it is. */
export const CODE_FRAME = {
  started: FRAME.started,
  stdout: FRAME.stdout,
  stderr: FRAME.stderr,
  exited: FRAME.exited,
  piece: 9,
  result: 10,
  failure: 11,
} as const
export type CodeFrameType = (typeof CODE_FRAME)[keyof typeof CODE_FRAME]

export const guestCodeOrder = z.object({
  code: z.string(),
  language: z.enum(CODE_LANGUAGES),
  /** Left out: the default context of the language. */
  context_id: z.string().optional(),
  /** In a context of its own, which is gone afterwards. */
  is_passing: z.boolean().optional(),
  /** Of the calls of a machine that say this, one runs at a time. */
  is_serial: z.boolean().optional(),
  /** Of this call only, as is `cwd`; left out, it runs where the session stands. */
  env: z.record(z.string(), z.string()),
  cwd: z.string().optional(),
  timeout_ms: z.int().positive(),
  /** Of stdout and of stderr, each. */
  output_bytes_max: z.int().positive(),
})
export type GuestCodeOrder = z.infer<typeof guestCodeOrder>

export const guestWarmUp = guestCodeOrder.pick({ code: true, language: true, timeout_ms: true }).extend({
  /** Remembered, one for each language: the default context runs it first whenever its process begins anew. */
  is_prelude: z.boolean().optional(),
  /** Only then, and not now. */
  is_lazy: z.boolean().optional(),
})
export type GuestWarmUp = z.infer<typeof guestWarmUp>

export const guestContextId = z.string().regex(/^ctx_[0-9a-z]{1,32}$/)

export const guestCodeStarted = z.object({
  /** Empty for a passing one. */
  context_id: guestContextId.or(z.literal('')),
  execution_count: z.int().min(0),
})
export type GuestCodeStarted = z.infer<typeof guestCodeStarted>

export const guestCodeEnd = z.object({
  exit_code: z.int().min(0).max(255),
  reason: z.enum(CODE_REASONS),
  duration_ms: z.int().min(0),
  stdout_truncated: z.boolean(),
  stderr_truncated: z.boolean(),
  results_truncated: z.boolean(),
  /** Its state before was lost: the process had ended since the call before, or ended in this one. */
  context_restarted: z.boolean(),
})
export type GuestCodeEnd = z.infer<typeof guestCodeEnd>

export const guestCodeContext = z.object({
  id: guestContextId,
  language: z.enum(CODE_LANGUAGES),
  cwd: z.string().max(LIMITS.pathCharsMax),
  is_default: z.boolean(),
  created_at_ms: z.int().min(0).max(8.64e15),
  execution_count: z.int().min(0),
  is_running: z.boolean(),
})
export type GuestCodeContext = z.infer<typeof guestCodeContext>

export const guestCodeContexts = z.object({ contexts: z.array(guestCodeContext).max(LIMITS.codeContextsMax) })
