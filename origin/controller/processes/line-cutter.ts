/** Cuts the bytes of one stream into lines, and keeps count of them. Bytes stay bytes until a line is whole. */
import { LIMITS } from '../../../shared/limits.ts'
import { cutAtCharacter } from './cut-at-character.ts'

const NEWLINE = 10
/** Of a line that comes bit by bit, before they are made one. */
const PIECES_MAX = 64

/** `isPart`: the line was too long to be told whole. */
export type Line = { text: string; isPart: boolean }

export class LineCutter {
  /** What has come, and what of it was told. */
  position: number
  told: number
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(position: number) {
    this.position = position
    this.told = position
  }

  /** The lines that these bytes end. `told` is right after each of them, as it is taken. */
  *push(bytes: Buffer): Generator<Line> {
    this.position += bytes.length
    let rest = bytes
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      this.#hold(rest.subarray(0, end))
      yield* this.#parts()
      yield this.#release(1)
      rest = rest.subarray(end + 1)
    }
    // What is held may be part of a buffer that is used again.
    if (rest.length > 0) this.#hold(Buffer.from(rest))
    yield* this.#parts()
  }

  /** What has come of a line that was never ended. */
  *end(): Generator<Line> {
    if (this.#heldBytes > 0) yield this.#release(0)
  }

  /** So many bytes are missing here. */
  skip(bytes: number): void {
    this.position += bytes
    this.told = this.position
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    // A piece of one byte costs a hundred times what is in it.
    if (this.#held.length > PIECES_MAX) this.#held = [Buffer.concat(this.#held)]
  }

  *#parts(): Generator<Line> {
    while (this.#heldBytes > LIMITS.streamLineBytesMax) {
      const held = Buffer.concat(this.#held)
      const part = cutAtCharacter(held, LIMITS.streamLineBytesMax)
      this.told += part.length
      this.#held = [held.subarray(part.length)]
      this.#heldBytes -= part.length
      yield { text: part.toString('utf8'), isPart: true }
    }
  }

  #release(newlineBytes: 0 | 1): Line {
    const text = Buffer.concat(this.#held).toString('utf8')
    this.told += this.#heldBytes + newlineBytes
    this.#held = []
    this.#heldBytes = 0
    return { text, isPart: false }
  }
}
