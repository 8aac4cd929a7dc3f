/** One line of the log in the making: what was asked, what it moved, and, once, how it ended. */
import type { Readable } from 'node:stream'
import type { Verdict } from './judge.ts'
import type { NewEntry } from './log.ts'
import type { Visitor } from './visit.ts'

type Asked = Pick<NewEntry, 'host' | 'port' | 'method' | 'path'>

export class Attempt {
  readonly #visitor: Visitor
  readonly #asked: Asked
  readonly #atMs = Date.now()
  #up = 0
  #down = 0
  #isOver = false

  constructor(visitor: Visitor, asked: Asked) {
    this.#visitor = visitor
    this.#asked = asked
  }

  /** Counts what a stream gives, without changing how it flows. */
  count(direction: 'up' | 'down', stream: Readable): void {
    stream.on('data', (chunk: Buffer) => this.add(direction, chunk.length))
    // Whoever takes it lets it flow.
    stream.pause()
  }

  add(direction: 'up' | 'down', bytes: number): void {
    if (direction === 'up') this.#up += bytes
    else this.#down += bytes
    this.#visitor.noteBytes(direction, bytes)
  }

  /** Only the first end counts. */
  end(verdict: Verdict): void {
    this.#end(verdict)
  }

  fail(reason: NewEntry['reason']): void {
    this.#end({ action: 'error', reason })
  }

  #end(how: Pick<NewEntry, 'action' | 'reason' | 'rule'>): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#visitor.note({ ...this.#asked, at_ms: this.#atMs, ...how, bytes_up: this.#up, bytes_down: this.#down })
  }
}

/** The path as the log has it. */
export const withoutQuery = (target: string): string => target.replace(/[?#].*$/s, '')
