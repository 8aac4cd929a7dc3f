/**
 * The one event stream of a command, as it crosses from the guest to the host to the controller. Bytes stay bytes.
 *
 *   frame = type (1 byte) | payload length (4 bytes, big endian) | payload
 *
 * The same format is written by the guest agent (origin/guest/frames.go). JSON, SSE and NDJSON are made from it at the door.
 */
import { LIMITS } from './limits.ts'

export const FRAME = {
  /** Host only: the machine is being restored or booted, so `ready` will take a while. No payload. */
  provisioning: 1,
  /** Host only: the machine answers. JSON, `hostReady` of the host contract. */
  ready: 2,
  /** The process exists. JSON `{"pid": 12}`. */
  started: 3,
  stdout: 4,
  stderr: 5,
  /** The last frame of a command that was started. JSON, `execExit` of the guest contract. */
  exited: 6,
  /** The last frame when something failed after the stream began. JSON `{"code", "message"}` of the error table. */
  error: 7,
} as const

export type FrameType = (typeof FRAME)[keyof typeof FRAME]
export type Frame = { type: FrameType; payload: Uint8Array }

const HEADER_BYTES = 5
const LAST_TYPE = FRAME.error

/** The peer sent something that is not a frame; the stream is worth nothing from here on. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

export function encodeFrame(type: FrameType, payload: Uint8Array): Uint8Array {
  if (payload.length > LIMITS.frameBytesMax)
    throw new FrameError(`A frame carries at most ${LIMITS.frameBytesMax} bytes.`)
  const out = new Uint8Array(HEADER_BYTES + payload.length)
  new DataView(out.buffer).setUint32(1, payload.length)
  out[0] = type
  out.set(payload, HEADER_BYTES)
  return out
}

export const encodeJsonFrame = (type: FrameType, value: unknown): Uint8Array =>
  encodeFrame(type, new TextEncoder().encode(JSON.stringify(value)))

/** The JSON payload of a frame, unchecked: parse it with the schema of its type. Throws FrameError when it is not JSON. */
export function frameJson(frame: Frame): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(frame.payload))
  } catch (cause) {
    throw new FrameError('A frame that should hold JSON does not.', { cause })
  }
}

/** Cuts a byte stream into frames, whatever the chunks. Holds at most one unfinished frame. */
export class FrameDecoder {
  #rest: Uint8Array = new Uint8Array(0)

  /** The frames that this chunk completes, in order. Throws FrameError on an unknown type or an oversized length. */
  push(chunk: Uint8Array): Frame[] {
    const bytes = this.#rest.length === 0 ? chunk : concat(this.#rest, chunk)
    const frames: Frame[] = []
    let at = 0
    while (bytes.length - at >= HEADER_BYTES) {
      const type = bytes[at] as FrameType
      const length = new DataView(bytes.buffer, bytes.byteOffset + at + 1, 4).getUint32(0)
      if (type < FRAME.provisioning || type > LAST_TYPE) throw new FrameError(`There is no frame type ${type}.`)
      if (length > LIMITS.frameBytesMax) throw new FrameError(`A frame of ${length} bytes is over the limit.`)
      if (bytes.length - at - HEADER_BYTES < length) break
      const from = at + HEADER_BYTES
      frames.push({ type, payload: bytes.subarray(from, from + length) })
      at = from + length
    }
    this.#rest = bytes.slice(at)
    return frames
  }

  /** False when the stream ended in the middle of a frame. */
  get isAtBoundary(): boolean {
    return this.#rest.length === 0
  }
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const out = new Uint8Array(first.length + second.length)
  out.set(first)
  out.set(second, first.length)
  return out
}
