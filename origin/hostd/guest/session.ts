/**
 * One conversation with the agent inside a machine: HTTP/2 over its data port, begun by a handshake on its control port.
 *
 * A machine has at most one session at a time; opening a new one ends the one before, also inside the guest. What the
 * guest sends is bounded and parsed; a guest that misbehaves fails its session and nothing else.
 */
import type { GuestExec, GuestHealth, GuestWake } from '../../../shared/contracts/guest.ts'
import type { Frame } from '../../../shared/frames.ts'

export type GuestSessionOptions = {
  /** The unix sockets of the machine's two virtio-serial ports. */
  dataPath: string
  controlPath: string
  /** Ends the attempts of a guest that does not answer; without it there is no end but a missing socket. */
  signal: AbortSignal
}

/** Every method fails with AppError('guest_unreachable') when the session is lost, or FrameError when its frames are not frames. */
export type GuestSession = {
  health(options?: { signal?: AbortSignal }): Promise<GuestHealth>
  wake(wake: GuestWake, options?: { signal?: AbortSignal }): Promise<void>
  /**
   * The frames of one command: started, then stdout and stderr in any order, then exited. Aborting or leaving the loop kills
   * the command. A process that could not be started is what a shell makes of it: stderr, then exited with 127 or 126.
   */
  exec(exec: GuestExec, options?: { signal?: AbortSignal }): AsyncIterable<Frame>
  /** Resolves when the session has ended, for whatever reason. It never rejects. */
  readonly closed: Promise<void>
  /** Ends the session and its commands. Safe to repeat; it also happens when the guest hangs up. */
  close(): void
}

export async function openGuestSession(options: GuestSessionOptions): Promise<GuestSession> {
  throw new Error(`not yet: ${options.dataPath}`)
}
