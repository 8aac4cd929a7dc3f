/**
 * Copies of KV records in the isolate, so that the request path rarely waits for KV.
 *
 *   age   0 ---- served ---- freshMs ---- served, renewed in the background ---- staleMs ---- read again first
 *
 * Requests do not share one read in flight: a Worker's request may be cancelled with its client, and would take the others along.
 */
import { LIMITS } from '../../shared/limits.ts'

export type Lifetimes = {
  freshMs: number
  staleMs: number
  /** Whether a copy of any age is better than none when the record cannot be read. */
  outlivesFailure: boolean
}

type Copy<Value> = { value: Value; readAtMs: number; renewedAtMs: number }

/** Time, and a place for work that may outlive the answer. */
export type Reading = { nowMs: number; inBackground: (work: Promise<unknown>) => void }

export class KeptCopies<Value> {
  readonly #copies = new Map<string, Copy<Value>>()
  readonly #lifetimesOf: (value: Value) => Lifetimes

  constructor(lifetimesOf: (value: Value) => Lifetimes) {
    this.#lifetimesOf = lifetimesOf
  }

  /** Throws what `load` throws when there is no copy that may be served instead. */
  async read(key: string, load: () => Promise<Value>, { nowMs, inBackground }: Reading): Promise<Value> {
    const copy = this.#copies.get(key)
    if (copy === undefined) return this.#load(key, load, nowMs)
    const ageMs = nowMs - copy.readAtMs
    const { freshMs, staleMs, outlivesFailure } = this.#lifetimesOf(copy.value)
    if (ageMs < freshMs) return copy.value
    if (ageMs < staleMs) {
      if (this.#mayRenew(copy, nowMs)) inBackground(this.#load(key, load, nowMs).catch(() => undefined))
      return copy.value
    }
    return this.#load(key, load, nowMs).catch((error: unknown) => {
      if (outlivesFailure) return copy.value
      throw error
    })
  }

  forget(key: string): void {
    this.#copies.delete(key)
  }

  async #load(key: string, load: () => Promise<Value>, nowMs: number): Promise<Value> {
    const value = await load()
    this.#copies.delete(key)
    this.#copies.set(key, { value, readAtMs: nowMs, renewedAtMs: nowMs })
    if (this.#copies.size > LIMITS.edgeCacheEntriesMax) this.#dropOldest()
    return value
  }

  /** One renewal at a time; one that was cancelled with its request is tried again after a while. */
  #mayRenew(copy: Copy<Value>, nowMs: number): boolean {
    if (copy.renewedAtMs !== copy.readAtMs && nowMs - copy.renewedAtMs < LIMITS.kvFreshMs) return false
    copy.renewedAtMs = nowMs
    return true
  }

  #dropOldest(): void {
    const oldest = this.#copies.keys().next()
    if (!oldest.done) this.#copies.delete(oldest.value)
  }
}
