/**
 * What a host says to the agent inside a machine, over HTTP/2 on the data port. The agent's side is Go (origin/guest).
 * What comes back is written by a hostile guest until proven otherwise: it is parsed by these schemas and bounded.
 *
 *   control port   host: "hello NONCE\n"      the agent ends whatever session it had,
 *   data port      agent: "\nready NONCE\n"   and serves HTTP/2 (prior knowledge) from here on
 *
 *   GET  /v1/health             200, `guestHealth`
 *   POST /v1/wake  guestWake    204; safe to repeat
 *   POST /v1/exec  guestExec    200, frames (shared/frames.ts): started, stdout and stderr in any order, exited.
 *                               The process group is killed when the request's stream is reset.
 *                               422 with `{"code", "message"}` when the process could not be started (no such program, cwd or user).
 */
import * as z from 'zod'

/** What changed while a machine was frozen. Told after every load and every resume, before the first command. */
export const guestWake = z.object({
  /** Wall clock, Unix milliseconds. */
  now_ms: z.number(),
  /** Fresh random bytes, base64; the kernel's generator is reseeded with them before anything else runs. */
  entropy: z.string(),
  hostname: z.string(),
  /** Environment of every process started from now on, under the environment of each exec. Left out: unchanged. */
  env: z.record(z.string(), z.string()).optional(),
})
export type GuestWake = z.infer<typeof guestWake>

export const guestExec = z.object({
  /** The program and its arguments; a shell line is sent as `["/bin/bash", "-c", line]`. */
  argv: z.array(z.string()).min(1),
  cwd: z.string(),
  env: z.record(z.string(), z.string()),
  user: z.enum(['sandbox', 'root']),
  /** UTF-8 text; the process's stdin is closed after it. */
  stdin: z.string().optional(),
  timeout_ms: z.int().positive(),
  /** Of each stream; the rest is read and dropped. */
  output_bytes_max: z.int().positive(),
  /** Done first, in the same round trip. */
  wake: guestWake.optional(),
})
export type GuestExec = z.infer<typeof guestExec>

export const guestHealth = z.object({
  ok: z.literal(true),
  agent_version: z.string(),
  kernel: z.string(),
  uptime_ms: z.int(),
})

export const execStarted = z.object({ pid: z.int() })

export const execExit = z.object({
  exit_code: z.int().min(0).max(255),
  reason: z.enum(['exit', 'signal', 'timeout']),
  duration_ms: z.int().min(0),
  stdout_truncated: z.boolean(),
  stderr_truncated: z.boolean(),
})
export type ExecExit = z.infer<typeof execExit>
