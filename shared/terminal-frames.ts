/**
 * What is said on a terminal's WebSocket, sub-protocol `miosa-exec-v1`: binary messages, the first byte of which says what the rest is.
 *
 *   0  stdin    to the terminal    bytes that were typed, at most 64 KiB of them in a message
 *   1  stdout   to the viewer      bytes that the terminal shows; a character may be cut between two messages
 *   2  stderr   -                  never: a terminal shows both in one
 *   3  exit     to the viewer      the shell has ended: its exit code, 4 bytes; the last message before the close with 1000
 *   5  resize   both               columns and rows, 2 bytes each; to the viewer: what somebody else has made of it, and at the beginning
 *   6  place    to the viewer      8 bytes: how many bytes the terminal showed before what comes now. It comes first, and whenever
 *                                  something was left out because it is no longer kept, or because this viewer was too slow.
 *
 * Numbers are big endian. A viewer adds the bytes of `stdout` to the last `place`; with that sum as `?cursor=` it goes on later where
 * it was. What a viewer does not know it ignores. Between a controller and the agent each message is one frame (shared/frames.ts) of the
 * same type.
 */
import { LIMITS } from './limits.ts'

export const TERMINAL_PROTOCOL = 'miosa-exec-v1'

export const TERMINAL_FRAME = { stdin: 0, stdout: 1, stderr: 2, exit: 3, resize: 5, place: 6 } as const
export type TerminalFrameType = (typeof TERMINAL_FRAME)[keyof typeof TERMINAL_FRAME]

/** Why a viewer's connection was ended (RFC 6455, 7.4; from 4000 on ours). */
export const TERMINAL_CLOSE = {
  /** The shell has ended, or the terminal was deleted. */
  over: 1000,
  /** A text message. */
  text: 1003,
  /** A message that this protocol does not have. */
  refused: 1008,
  /** A message that is too long. */
  tooLong: 1009,
  /** Something failed that is nobody's fault; connecting again may help. */
  failed: 1011,
  /** This server goes away; connect again. */
  restart: 1012,
  /** The sandbox was paused: connecting again wakes it. */
  paused: 4001,
  /** The sandbox has ended, and with it the terminal. */
  gone: 4004,
} as const

/** The longest message: a type and a frame's bytes. */
export const TERMINAL_MESSAGE_BYTES_MAX = 1 + LIMITS.frameBytesMax

const SIZE_BYTES = 4

/** Why a viewer may not say this, or null. */
export function refusalOfMessage(message: Uint8Array): string | null {
  const [type] = message
  if (type === TERMINAL_FRAME.stdin) return null
  if (type !== TERMINAL_FRAME.resize) return 'Only stdin (0) and resize (5) are said to a terminal.'
  if (message.length !== 1 + SIZE_BYTES) return 'A resize is two numbers of two bytes.'
  const view = new DataView(message.buffer, message.byteOffset + 1, SIZE_BYTES)
  const isUsable = [view.getUint16(0), view.getUint16(2)].every(
    (cells) => cells > 0 && cells <= LIMITS.terminalCellsMax,
  )
  return isUsable ? null : `A terminal has between 1 and ${LIMITS.terminalCellsMax} columns and rows.`
}
