/**
 * The HTTP/2 of one session, and what is counted of it so that a hostile agent cannot keep this process busy.
 *
 *   bytes    what comes must be mostly payload that somebody reads or will: window updates, padding, resets, tiny pieces are none
 *   frames   of output are read no faster than so many a second; whoever sends more is held up, as by a slow reader
 */
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import { BrokenRules, type Violation } from './violation.ts'
import { whenClosed } from './when-closed.ts'

/** Hears what passes between this daemon and any guest, and what ended one. */
export type Wire = {
  noteBytes(direction: 'in' | 'out', bytes: number): void
  noteViolation(violation: Violation): void
}

type Counted = { bytesRead: number; bytesWritten: number }

export class Channel {
  readonly http2: ClientHttp2Session
  readonly #wire: Wire
  readonly #socket: Counted
  #payloadBytes = 0
  /** What they hold unread is payload, too: as much as fits into the windows of many slow readers comes at once. */
  readonly #streams = new Set<ClientHttp2Stream>()
  #seen = { read: 0, written: 0, payload: 0, atMs: performance.now() }
  #frames: { left: number; atMs: number } = { left: LIMITS.guestFramesPerSecMax, atMs: performance.now() }

  constructor(http2: ClientHttp2Session, socket: Counted, wire: Wire) {
    this.http2 = http2
    this.#socket = socket
    this.#wire = wire
    this.#seen.read = socket.bytesRead
    this.#seen.written = socket.bytesWritten
    const timer = setInterval(() => this.#look(), LIMITS.guestWatchMs).unref()
    http2.once('close', () => {
      clearInterval(timer)
      this.#look()
    })
    const unasked = (): void => void http2.destroy(new BrokenRules('unasked'))
    http2.once('altsvc', unasked).once('origin', unasked)
  }

  /** The bytes of an answer. What is still on its way when the reader leaves was asked for, too. */
  async *read(stream: ClientHttp2Stream): AsyncGenerator<Uint8Array> {
    let isWhole = false
    this.#streams.add(stream)
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        this.notePayload(chunk.length)
        yield chunk
      }
      isWhole = true
    } finally {
      this.#streams.delete(stream)
      if (!isWhole) this.notePayload(LIMITS.guestWindowBytes)
    }
  }

  /**
   * The same stream, whose bytes are counted while somebody else reads them. Paused first, so that it does not flow before its reader is
   * there. What is on its way when it breaks was asked for, too.
   */
  counted(stream: ClientHttp2Stream): ClientHttp2Stream {
    this.#streams.add(stream)
    stream.pause().on('data', (chunk: Buffer) => this.notePayload(chunk.length))
    whenClosed(stream, () => {
      this.#streams.delete(stream)
      this.notePayload(LIMITS.guestWindowBytes)
    })
    return stream
  }

  notePayload(bytes: number): void {
    this.#payloadBytes += bytes
  }

  /** Waits while more frames come than are taken in a second. */
  async takeFrame(): Promise<void> {
    const frames = this.#frames
    if (frames.left >= 1) {
      frames.left -= 1
      return
    }
    const now = performance.now()
    const earned = ((now - frames.atMs) / 1_000) * LIMITS.guestFramesPerSecMax
    this.#frames = { left: Math.min(earned, LIMITS.guestFramesPerSecMax) - 1, atMs: now }
    if (this.#frames.left < 0) await sleep(LIMITS.guestFramesPauseMs)
  }

  #look(): void {
    const { bytesRead: read, bytesWritten: written } = this.#socket
    const unreadBytes = [...this.#streams].reduce((bytes, stream) => bytes + stream.readableLength, 0)
    const now = { read, written, payload: this.#payloadBytes + unreadBytes, atMs: performance.now() }
    const last = this.#seen
    this.#seen = now
    this.#wire.noteBytes('in', now.read - last.read)
    this.#wire.noteBytes('out', now.written - last.written)
    const payloadBytes = now.payload - last.payload
    const overheadBytes = now.read - last.read - payloadBytes
    const allowed = ((now.atMs - last.atMs) / 1_000) * LIMITS.guestOverheadBytesPerSecMax
    // Bulk comes in large pieces, each with a few bytes of its own; and of bulk that goes, each piece is acknowledged.
    const bulkBytes = payloadBytes + now.written - last.written
    if (overheadBytes > allowed + bulkBytes / LIMITS.guestPieceBytesMin) this.http2.destroy(new BrokenRules('flood'))
  }
}
