/** Bytes that come in pieces of any size, kept as one: a piece of one byte would cost a hundred times what is in it. */

const BEGIN_BYTES = 1024

export class GrownBytes {
  #held = Buffer.alloc(0)
  size = 0

  push(bytes: Uint8Array): void {
    const size = this.size + bytes.length
    if (size > this.#held.length) {
      // Nobody sees what is in it behind `size`.
      const grown = Buffer.allocUnsafe(Math.max(size, 2 * this.#held.length, BEGIN_BYTES))
      grown.set(this.#held.subarray(0, this.size))
      this.#held = grown
    }
    this.#held.set(bytes, this.size)
    this.size = size
  }

  /** All that came. There is nothing of it left. */
  take(): Buffer {
    const all = this.#held.subarray(0, this.size)
    this.#held = Buffer.alloc(0)
    this.size = 0
    return all
  }

  takeText(): string {
    return this.take().toString('utf8')
  }
}
