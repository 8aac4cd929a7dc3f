/**
 * How many machines of each kind were claimed in one go, lately: what a pool should be able to give at once.
 *
 * Every claim raises a level that sinks by half in LIMITS.poolBurstMs; the highest level seen is remembered, and forgotten by half in
 * LIMITS.poolForgetMs. So ten claims at a time count ten for minutes, and one a second counts about seven for as long as it goes on.
 */
import { LIMITS } from '../../../shared/limits.ts'
import { type Kind, poolKey } from './targets.ts'

type Trace = { kind: Kind; level: number; peak: number; atMs: number }

/** Below this a kind counts as never asked for. */
const FORGOTTEN = 0.1

export class Demand {
  readonly #traces = new Map<string, Trace>()

  note(kind: Kind, nowMs: number): void {
    const key = poolKey(kind)
    const { level, peak } = sunk(this.#traces.get(key) ?? { kind, level: 0, peak: 0, atMs: nowMs }, nowMs)
    this.#traces.set(key, { kind, level: level + 1, peak: Math.max(peak, level + 1), atMs: nowMs })
    this.#forget(nowMs)
  }

  /** The kinds that are remembered, with what they were asked for. At most LIMITS.poolKindsMax, because callers choose their machines. */
  peaks(nowMs: number): { kind: Kind; peak: number }[] {
    return [...this.#traces.values()].map((trace) => ({ kind: trace.kind, peak: sunk(trace, nowMs).peak }))
  }

  #forget(nowMs: number): void {
    for (const [key, trace] of this.#traces) if (sunk(trace, nowMs).peak < FORGOTTEN) this.#traces.delete(key)
    if (this.#traces.size <= LIMITS.poolKindsMax) return
    const [least] = [...this.#traces].toSorted(([, a], [, b]) => sunk(a, nowMs).peak - sunk(b, nowMs).peak)
    if (least !== undefined) this.#traces.delete(least[0])
  }
}

function sunk({ level, peak, atMs }: Trace, nowMs: number): { level: number; peak: number } {
  const passedMs = Math.max(0, nowMs - atMs)
  return { level: level * 2 ** (-passedMs / LIMITS.poolBurstMs), peak: peak * 2 ** (-passedMs / LIMITS.poolForgetMs) }
}
