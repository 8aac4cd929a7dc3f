/** How many machines may be starting at once, in the order in which they were asked for; the pool waits until nobody else does. */
import { AppError } from '../../../shared/errors.ts'

export class StartGate {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #idlers: (() => void)[] = []
  #busy = 0

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** Runs `start` when it is its turn. Throws AppError('capacity_exhausted') when too many wait already. */
  async pass<T>(start: () => Promise<T>): Promise<T> {
    if (this.#busy >= this.#atOnce) await this.#wait()
    else this.#busy++
    try {
      return await start()
    } finally {
      this.#leave()
    }
  }

  /** Resolves when no start is under way or waits. */
  async idle(): Promise<void> {
    while (this.#busy > 0) await new Promise<void>((resolve) => this.#idlers.push(resolve))
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax)
      throw new AppError('capacity_exhausted', 'Too many sandboxes are waiting to be started on this host.')
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** A place that is handed on stays taken. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      next()
      return
    }
    this.#busy--
    if (this.#busy > 0) return
    const idlers = this.#idlers
    this.#idlers = []
    for (const resolve of idlers) resolve()
  }
}
