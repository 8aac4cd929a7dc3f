/**
 * The name for which a TLS client asks, read from its first words (RFC 8446, 4.1.2; RFC 6066, 3). Nothing is decrypted and
 * nothing is trusted: lengths that do not fit make it garbled.
 */
import { LIMITS } from '../../../shared/limits.ts'

export type Hello = { kind: 'more' } | { kind: 'hello'; serverName: string | null } | { kind: 'garbled' }

const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1
const SERVER_NAME_EXTENSION = 0
const RECORD_HEAD_BYTES = 5
const HANDSHAKE_HEAD_BYTES = 4

/** Whether bytes may be the beginning of TLS. */
export const looksLikeTls = (bytes: Uint8Array): boolean =>
  bytes[0] === HANDSHAKE_RECORD && (bytes[1] === undefined || bytes[1] === 3)

/** `more` until the whole greeting is there, or it is longer than any is. */
export function readClientHello(bytes: Buffer): Hello {
  if (!looksLikeTls(bytes)) return { kind: 'garbled' }
  const message = handshakeOf(bytes)
  if (message !== null)
    try {
      return { kind: 'hello', serverName: serverNameOf(message) }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      return { kind: 'garbled' }
    }
  return bytes.length < LIMITS.egressHelloBytesMax ? { kind: 'more' } : { kind: 'garbled' }
}

/** The first message, which may come in several records; null while it is not whole. */
function handshakeOf(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = []
  for (let at = 0; at + RECORD_HEAD_BYTES <= bytes.length && bytes[at] === HANDSHAKE_RECORD; ) {
    const end = at + RECORD_HEAD_BYTES + bytes.readUInt16BE(at + 3)
    parts.push(bytes.subarray(at + RECORD_HEAD_BYTES, end))
    at = end
  }
  const message = Buffer.concat(parts)
  if (message.length < HANDSHAKE_HEAD_BYTES) return null
  const end = HANDSHAKE_HEAD_BYTES + message.readUIntBE(1, 3)
  return message.length < end ? null : message.subarray(0, end)
}

/** Throws RangeError where something is longer than what it is in. */
function serverNameOf(message: Buffer): string | null {
  if (message[0] !== CLIENT_HELLO) throw new RangeError('Another message.')
  const hello = new Reader(message.subarray(HANDSHAKE_HEAD_BYTES))
  hello.take(2 + 32)
  hello.block(1)
  hello.block(2)
  hello.block(1)
  if (hello.isEmpty) return null
  const extensions = hello.block(2)
  while (!extensions.isEmpty) {
    const type = extensions.number(2)
    const content = extensions.block(2)
    if (type === SERVER_NAME_EXTENSION) return firstName(content.block(2))
  }
  return null
}

/** There is one kind of names, and a client sends one of it. */
function firstName(names: Reader): string | null {
  if (names.isEmpty || names.number(1) !== 0) return null
  return names.block(2).rest.toString('latin1').toLowerCase()
}

class Reader {
  #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0
  }

  get rest(): Buffer {
    return this.#bytes
  }

  take(count: number): Buffer {
    if (count > this.#bytes.length) throw new RangeError('Something is longer than what it is in.')
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }

  number(bytes: number): number {
    return this.take(bytes).readUIntBE(0, bytes)
  }

  /** What a length of so many bytes announces. */
  block(lengthBytes: number): Reader {
    return new Reader(this.take(this.number(lengthBytes)))
  }
}
