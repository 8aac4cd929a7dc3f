/**
 * One stream of a session as a connection that an HTTP server can serve. A stream of HTTP/2 by itself does not do: it takes text without
 * keeping it until it is sent, and it knows no end but that of a request.
 */
import { type ClientHttp2Stream, constants } from 'node:http2'
import { Duplex } from 'node:stream'

export class Connection extends Duplex {
  readonly #stream: ClientHttp2Stream
  #idle: NodeJS.Timeout | undefined

  constructor(stream: ClientHttp2Stream) {
    super()
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => {
      this.#idle?.refresh()
      if (!this.push(chunk)) stream.pause()
    })
    stream.on('end', () => this.push(null))
    // Whoever reads must not take half of something for the whole.
    stream.on('error', () => this.destroy()).once('close', () => this.#endOf(stream))
    if (stream.destroyed) this.destroy()
  }

  /** Emits `timeout` when nothing passes for so long; 0 never. As that of a socket. */
  setTimeout(ms: number, heed?: () => void): this {
    clearTimeout(this.#idle)
    this.#idle = ms === 0 || this.destroyed ? undefined : setTimeout(() => this.emit('timeout'), ms)
    if (heed !== undefined) this.once('timeout', heed)
    return this
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this._writev([{ chunk }], done)
  }

  /** What waited goes as one, as head and body of an answer do, instead of each after the one before. */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#idle?.refresh()
    if (!this.#stream.writable) return void done(new Error('The connection has ended.'))
    this.#stream.cork()
    for (const { chunk } of chunks.slice(0, -1)) this.#stream.write(chunk)
    this.#stream.write(chunks.at(-1)?.chunk ?? '', done)
    this.#stream.uncork()
  }

  override _final(done: () => void): void {
    this.#stream.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#idle)
    const isOver = this.readableEnded && this.writableFinished
    if (!isOver && !this.#stream.closed) this.#stream.close(constants.NGHTTP2_CANCEL)
    done(error)
  }

  #endOf({ rstCode, readableEnded }: ClientHttp2Stream): void {
    if (rstCode !== constants.NGHTTP2_NO_ERROR || !readableEnded) this.destroy()
  }
}
