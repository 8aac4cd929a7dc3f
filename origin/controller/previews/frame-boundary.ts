/**
 * Follows the frames of a WebSocket (RFC 6455) as they pass, without keeping any, so that a frame of ours can be said between two of
 * theirs when theirs break off. Whoever sends nonsense only makes that impossible.
 */
const CLOSE = 0x8
const LENGTH_16 = 126
const LENGTH_64 = 127

export type FrameBoundary = {
  pass(bytes: Uint8Array): void
  /** Between two frames, and none of them has said goodbye. */
  isOpen(): boolean
}

export function followFrames(): FrameBoundary {
  const head: number[] = []
  let payloadLeft = 0
  let hasClosed = false

  const readHead = (byte: number): void => {
    head.push(byte)
    const length = payloadOf(head)
    if (length === null) return
    if (((head[0] ?? 0) & 0x0f) === CLOSE) hasClosed = true
    payloadLeft = length
    head.length = 0
  }
  return {
    pass(bytes) {
      for (let at = 0; at < bytes.length; ) {
        if (payloadLeft > 0) {
          const taken = Math.min(payloadLeft, bytes.length - at)
          payloadLeft -= taken
          at += taken
        } else {
          readHead(bytes[at] ?? 0)
          at += 1
        }
      }
    },
    isOpen: () => head.length === 0 && payloadLeft === 0 && !hasClosed,
  }
}

/** What follows a whole head, the mask included; null while the head is not whole. */
function payloadOf(head: readonly number[]): number | null {
  const second = head[1]
  if (second === undefined) return null
  const short = second & 0x7f
  const lengthBytes = short === LENGTH_64 ? 8 : short === LENGTH_16 ? 2 : 0
  if (head.length < 2 + lengthBytes) return null
  const length = lengthBytes === 0 ? short : head.slice(2).reduce((sum, byte) => sum * 256 + byte, 0)
  return length + (second & 0x80 ? 4 : 0)
}

/** A frame that says that the other side goes away, and why, unmasked as a server's are. */
export function closeFrame(code: number, reason: string): Uint8Array {
  const words = new TextEncoder().encode(reason)
  return new Uint8Array([0x80 | CLOSE, words.length + 2, code >> 8, code & 0xff, ...words])
}
