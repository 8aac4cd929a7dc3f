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
  /** Agent only: output that this reader came too late for. JSON, `processLost` of guest-processes. */
  lost: 8,
} as const

export type FrameType = (typeof FRAME)[keyof typeof FRAME]
export type Frame<Type extends number = FrameType> = { type: Type; payload: Uint8Array }

const HEADER_BYTES = 5

/** The peer sent something that is not a frame; the stream is worth nothing from here on. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

export function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
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

/**
 * Cuts a byte stream into frames, whatever the chunks. Holds at most one unfinished frame and copies each byte of it once, so
 * that a sender who cuts it into single bytes is no dearer than one who does not.
 */
export class FrameDecoder<Type extends number = FrameType> {
  readonly #types: ReadonlySet<number>
  /** The unfinished frame: grown to its whole length as soon as its header is known. */
  #held: Uint8Array<ArrayBuffer> = new Uint8Array(HEADER_BYTES)
  #heldBytes = 0

  /** `types` are those that there are in this conversation; without them, those of a command. */
  constructor(types: Readonly<Record<string, number>> = FRAME) {
    this.#types = new Set(Object.values(types))
  }

  /** The frames that this chunk completes, in order. Throws FrameError on an unknown type or an oversized length. */
  push(chunk: Uint8Array): Frame<Type>[] {
    const frames: Frame<Type>[] = []
    let rest = chunk
    while (rest.length > 0) {
      const length = this.#heldBytes === 0 ? this.#wholeLength(rest) : this.#held.length
      if (this.#heldBytes === 0 && length !== null && rest.length >= length) {
        frames.push(frameOf<Type>(rest.subarray(0, length)))
        rest = rest.subarray(length)
      } else {
        rest = this.#hold(rest)
        if (this.#isWhole()) frames.push(this.#release())
      }
    }
    return frames
  }

  /** False when the stream ended in the middle of a frame. */
  get isAtBoundary(): boolean {
    return this.#heldBytes === 0
  }

  /** Takes what is lacking of the header, or of the frame, and returns what is left. */
  #hold(bytes: Uint8Array): Uint8Array {
    const taken = bytes.subarray(0, this.#held.length - this.#heldBytes)
    this.#held.set(taken, this.#heldBytes)
    this.#heldBytes += taken.length
    const length = this.#heldBytes === HEADER_BYTES ? this.#wholeLength(this.#held) : null
    if (length !== null && length > HEADER_BYTES) {
      const whole = new Uint8Array(length)
      whole.set(this.#held)
      this.#held = whole
    }
    return bytes.subarray(taken.length)
  }

  #isWhole(): boolean {
    return this.#heldBytes === this.#held.length
  }

  #release(): Frame<Type> {
    const frame = frameOf<Type>(this.#held)
    this.#held = new Uint8Array(HEADER_BYTES)
    this.#heldBytes = 0
    return frame
  }

  /** Of the frame that begins here, its header included; null while the header is not whole. Throws FrameError. */
  #wholeLength(bytes: Uint8Array): number | null {
    if (bytes.length < HEADER_BYTES) return null
    const type = bytes[0] ?? 0
    const length = new DataView(bytes.buffer, bytes.byteOffset + 1, 4).getUint32(0)
    if (!this.#types.has(type)) throw new FrameError(`There is no frame type ${type}.`)
    if (length > LIMITS.frameBytesMax) throw new FrameError(`A frame of ${length} bytes is over the limit.`)
    return HEADER_BYTES + length
  }
}

const frameOf = <Type extends number>(whole: Uint8Array): Frame<Type> => ({
  type: whole[0] as Type,
  payload: whole.subarray(HEADER_BYTES),
})
