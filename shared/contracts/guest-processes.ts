/**
 * What a controller asks the agent about processes that outlive their connections. They belong to no session and no call: they go on
 * through pauses, restores, forks (each child has its own copy) and daemons that start anew. The agent's side is origin/guest/process_*.go.
 *
 *   POST   /v1/processes            guestProcessStart    200 `guestProcess`; 422 process_not_started, idempotency_key_reused
 *   POST   /v1/processes/run        guestProcessStart    200, frames: the process is its caller's. It waits when the caller reads
 *                                                        too slowly, so that no byte is lost, and is ended when nobody has listened
 *                                                        for 5 s, unless its machine stood in between. What could not be started is
 *                                                        what a shell makes of it: stderr and exited, and never was a process.
 *   GET    /v1/processes            200 `guestProcesses`, oldest first: all that run, and the newest of those that have ended
 *   GET    /v1/processes/ID         200 `guestProcess`
 *   DELETE /v1/processes/ID         204: SIGTERM, 3 s of grace, SIGKILL for everything that it started; then it is forgotten
 *   GET    /v1/processes/ID/output?stdout=N&stderr=N&follow=1
 *                                   200, frames: what came after so many bytes of each stream, then what comes, up to the end.
 *                                   Without `follow` what there is now. 422 invalid_request when there never were so many.
 *                                   429 sandbox_busy when too many listen.
 *   POST   /v1/processes/ID/signal  guestSignal          204; 422 invalid_request; 409 process_ended. To its process group.
 *   POST   /v1/processes/ID/stdin   bytes                200 `guestWritten`; 409 process_ended, stdin_closed, or stdin_full when it does
 *                                                        not read for 5 s
 *   DELETE /v1/processes/ID/stdin   204: the end of its input. Safe to repeat.
 *   All of them 404 process_not_found.
 *   GET    /v1/environment          200 `guestEnvironment`: what every process starts with, by name
 *   PUT    /v1/environment          guestEnvironment     200 `guestEnvironment`: all of it from now on. An encrypted one without a value
 *                                                        keeps the one it has.
 *   DELETE /v1/environment/KEY      204
 *
 * The frames are those of shared/frames.ts: `started` with the id; stdout and stderr in the order in which they were read, each with
 * its position; `lost` where a reader was too late, because the agent keeps the newest 128 KiB of each process and lets no process wait
 * for those who only listen; `exited` last.
 */
import * as z from 'zod'
import { type Frame, FrameError } from '../frames.ts'
import { LIMITS } from '../limits.ts'
import { guestExec } from './guest.ts'

export const guestProcessStart = guestExec.pick({ argv: true, cwd: true, env: true, user: true, stdin: true }).extend({
  /** Its stdin stays open after the text, to be written to. */
  stdin_open: z.boolean(),
  /** 0 is none. */
  timeout_ms: z.int().min(0),
  name: z.string(),
  /** What lists show of its command. */
  shown: z.string(),
  /** As long as the process is held, the same key names it, and starts no other. */
  key: z.string().optional(),
  /** Of what was asked with the key. The same key with another one is refused. */
  fingerprint: z.string().optional(),
})
export type GuestProcessStart = z.infer<typeof guestProcessStart>

const count = z.int().min(0)
const moment = z.int().min(0).max(8_640_000_000_000_000)

export const guestProcessEnd = z.object({
  exit_code: z.int().min(0).max(255),
  reason: z.enum(['exit', 'signal', 'timeout', 'out_of_memory']),
  duration_ms: count,
  ended_at_ms: moment,
})
export type GuestProcessEnd = z.infer<typeof guestProcessEnd>

const id = z.string().regex(/^p_[a-z0-9]{1,32}$/)
export const isProcessId = (text: string): boolean => id.safeParse(text).success

export const guestProcess = z.object({
  id,
  pid: count,
  name: z.string().max(LIMITS.processNameCharsMax),
  shown: z.string().max(LIMITS.processShownCharsMax),
  cwd: z.string().max(LIMITS.pathCharsMax),
  user: z.enum(['sandbox', 'root']),
  started_at_ms: moment,
  stdin_open: z.boolean(),
  end: guestProcessEnd.nullable(),
})
export type GuestProcess = z.infer<typeof guestProcess>
export const guestProcesses = z.object({ processes: z.array(guestProcess).max(LIMITS.processesListedMax) })

export const guestSignal = z.object({ signal: z.string() })
export const guestWritten = z.object({ written: count })

export const processStarted = z.object({ id, pid: count })
export const processLost = z.object({ stdout_bytes: count, stderr_bytes: count })

/** A piece of output: how many bytes of its stream came before it, and when the agent read it. */
export type OutputPiece = { position: number; atMs: number; bytes: Uint8Array }

const MARK_BYTES = 16

/** Of a frame of stdout or stderr. Throws FrameError. */
export function outputPiece({ payload }: Frame): OutputPiece {
  if (payload.length <= MARK_BYTES) throw new FrameError('A frame of output holds none.')
  const view = new DataView(payload.buffer, payload.byteOffset, MARK_BYTES)
  const [position, atMs] = [Number(view.getBigUint64(0)), Number(view.getBigUint64(8))]
  if (!Number.isSafeInteger(position) || !moment.safeParse(atMs).success)
    throw new FrameError('A frame of output does not say where and when it was.')
  return { position, atMs, bytes: payload.subarray(MARK_BYTES) }
}

/** The value of an encrypted one is never told. */
export const guestEnvironment = z.object({
  variables: z
    .array(z.object({ key: z.string(), value: z.string().optional(), encrypted: z.boolean() }))
    .max(LIMITS.envCountMax),
})
export type GuestEnvironment = z.infer<typeof guestEnvironment>
