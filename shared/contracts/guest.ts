/**
 * What a host says to the agent inside a machine, over HTTP/2 on the data port. The agent's side is Go (origin/guest).
 * What comes back is written by a hostile guest until proven otherwise: it is parsed by these schemas and bounded.
 *
 *   control port   host: "keep\n"             the commands of the session that the next hello ends go on; what they say is dropped
 *   control port   host: "hello NONCE\n"      the agent ends whatever session it had,
 *   data port      agent: "\nready NONCE\n"   the host drops everything before it
 *   data port      host: "\nbegin NONCE\n"    the agent drops everything before it; from here on both speak HTTP/2 (prior knowledge)
 *
 *   GET  /v1/health             200, `guestHealth`
 *   POST /v1/wake  guestWake    204; safe to repeat
 *   GET  /v1/kept               204 when no command of an earlier session runs any more
 *   POST /v1/exec  guestExec    200, frames (shared/frames.ts): started, stdout and stderr in any order, exited.
 *                               The process group is killed when the request's stream is reset.
 *                               422 with `guestRefusal` when the process could not be started: nothing ran.
 *                               A signal that ended it is 128 + n, a timeout is 124, a lack of memory is 137.
 *   POST /v1/ports/PORT         200, a connection to that port: the request's body goes to the server, what it says is the answer's.
 *                               502 when nothing listens there.
 */
import * as z from 'zod'
import { guestEgress } from './guest-egress.ts'

/** What changed while a machine was frozen. Told after every load and every resume, before the first command. */
export const guestWake = z.object({
  /** Wall clock, Unix milliseconds. */
  now_ms: z.number(),
  /** Fresh random bytes, base64; the kernel's generator is reseeded with them before anything else runs. */
  entropy: z.string(),
  hostname: z.string(),
  /** Environment of every process started from now on, under the environment of each exec. Left out: unchanged. */
  env: z.record(z.string(), z.string()).optional(),
  /** What it has to know of its way out, before the first command. Left out: unchanged; nothing at first. */
  egress: guestEgress.optional(),
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
export type GuestHealth = z.infer<typeof guestHealth>

/**
 * Why a process could not be started, and the exit code that a shell gives for it. To a caller it is a command that ended with
 * that code and this message on stderr; the host's side of the session (origin/hostd/guest) makes those frames of it.
 *
 *   program_not_found       127   no such file, or not in PATH
 *   program_not_executable  126   no permission, a directory, or not a format that the kernel runs
 *   cwd_not_usable          126   no such directory, or not one, or not allowed for the user
 *   arguments_too_long      126   argv and env together are over what the kernel takes
 *   process_limit           126   no room for one more process: memory or the pids limit
 *   start_failed            126   anything else; the message has the kernel's word
 */
export const guestRefusal = z.object({
  code: z.enum([
    'program_not_found',
    'program_not_executable',
    'cwd_not_usable',
    'arguments_too_long',
    'process_limit',
    'start_failed',
  ]),
  message: z.string(),
  exit_code: z.union([z.literal(126), z.literal(127)]),
})
export type GuestRefusal = z.infer<typeof guestRefusal>

export const execStarted = z.object({ pid: z.int() })

export const execExit = z.object({
  exit_code: z.int().min(0).max(255),
  reason: z.enum(['exit', 'signal', 'timeout', 'out_of_memory']),
  duration_ms: z.int().min(0),
  stdout_truncated: z.boolean(),
  stderr_truncated: z.boolean(),
})
export type ExecExit = z.infer<typeof execExit>
