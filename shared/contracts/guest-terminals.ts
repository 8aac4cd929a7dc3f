/**
 * What is asked of the agent about terminals. Its side is origin/guest/terminal*.go.
 *
 * A terminal is a shell behind a pseudo terminal, in a session that it controls, as the user `sandbox`. It goes on while nobody looks,
 * through a pause, a restart of the host's daemon and a fork. The last bytes that it showed are kept: who comes back names its place,
 * the number of bytes before, and goes on from there, or from the oldest that is kept. Those who keep up with it are waited for, as a
 * terminal waits; whoever stands still for a second is not, and hears later from which place they go on.
 *
 *   POST   /v1/terminals  guestTerminalOrder       201, `guestTerminal`
 *   GET    /v1/terminals                           `guestTerminals`, in the order of their beginning, with the last that have ended
 *   DELETE /v1/terminals/ID                        204. SIGHUP, and after a second everything that the shell has started is killed.
 *   POST   /v1/terminals/ID/attach ? place         200, a conversation in frames (shared/terminal-frames.ts): the body is what is typed,
 *                                                  the answer what is seen. It ends behind `exit`, or when the body ends; anything
 *                                                  else breaks it off.
 *
 * Refused: terminal_not_found, terminal_limit, terminal_not_started (the shell or its directory cannot be had).
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'

export const terminalSize = {
  cols: z.int().min(1).max(LIMITS.terminalCellsMax),
  rows: z.int().min(1).max(LIMITS.terminalCellsMax),
}

export const guestTerminalOrder = z.object({
  ...terminalSize,
  /** A program, by path or name, that is run without arguments. */
  shell: z.string().min(1).max(LIMITS.pathCharsMax),
  cwd: z.string(),
  /** Over the machine's own. */
  env: z.record(z.string(), z.string()),
})
export type GuestTerminalOrder = z.infer<typeof guestTerminalOrder>

export const TERMINAL_ID = /^term_[0-9a-f]{24}$/

export const guestTerminal = z.object({
  ...terminalSize,
  id: z.string().regex(TERMINAL_ID),
  shell: z.string().max(LIMITS.pathCharsMax),
  pid: z.int().positive(),
  /** Unix milliseconds, of a time that a Date can tell. */
  began_at_ms: z.int().min(0).max(8.64e15),
  viewers: z.int().min(0).max(LIMITS.terminalViewersMax),
  /** Of all that it has ever shown. */
  shown_bytes: z.int().min(0),
  /** Null while the shell runs. */
  exit_code: z.int().min(0).max(255).nullable(),
})
export type GuestTerminal = z.infer<typeof guestTerminal>

export const guestTerminals = z.object({ terminals: z.array(guestTerminal).max(2 * LIMITS.terminalsMax) })
