/**
 * Whether a region gets requests, by what became of the last ones.
 *
 *   closed -failure-> suspect -failures-> open -time-> half-open -probe fails-> open, for twice as long
 *     ^----success-------'                                '-------probe lives-> closed
 *
 * `suspect` still gets requests, but one that must not be lost is preceded by a question. Time enters as an argument.
 */
import { LIMITS } from '../../shared/limits.ts'

export type BreakerState = 'closed' | 'suspect' | 'open' | 'half-open'

export class Breaker {
  readonly #outcomes: { atMs: number; isFailure: boolean }[] = []
  #failuresInARow = 0
  #openUntilMs: number | null = null
  #openMs: number = LIMITS.breakerOpenMs
  #probeUntilMs = 0

  state(nowMs: number): BreakerState {
    if (this.#openUntilMs !== null) return nowMs < this.#openUntilMs ? 'open' : 'half-open'
    return this.#failuresInARow > 0 ? 'suspect' : 'closed'
  }

  /** True for one caller at a time: who asks a half-open region whether it lives. A probe that never reports expires. */
  takeProbe(nowMs: number): boolean {
    if (this.state(nowMs) !== 'half-open' || nowMs < this.#probeUntilMs) return false
    this.#probeUntilMs = nowMs + 2 * LIMITS.regionProbeMs
    return true
  }

  succeed(nowMs: number): void {
    this.#failuresInARow = 0
    if (this.#openUntilMs === null) this.#note(nowMs, false)
    else if (this.state(nowMs) === 'half-open') this.#close()
  }

  /** A failure that was under way when the breaker opened changes nothing. */
  fail(nowMs: number): void {
    const state = this.state(nowMs)
    if (state === 'open') return
    this.#failuresInARow += 1
    this.#note(nowMs, true)
    if (state === 'half-open') this.#open(nowMs, Math.min(this.#openMs * 2, LIMITS.breakerOpenMsMax))
    else if (this.#hasFailedEnough()) this.#open(nowMs, LIMITS.breakerOpenMs)
  }

  #hasFailedEnough(): boolean {
    if (this.#failuresInARow >= LIMITS.breakerFailuresInARow) return true
    const failures = this.#outcomes.filter(({ isFailure }) => isFailure).length
    return this.#outcomes.length >= LIMITS.breakerOutcomesMin && failures * 2 >= this.#outcomes.length
  }

  #note(nowMs: number, isFailure: boolean): void {
    this.#outcomes.push({ atMs: nowMs, isFailure })
    while (this.#outcomes.length > LIMITS.breakerOutcomesMax || this.#oldestIsOver(nowMs)) this.#outcomes.shift()
  }

  #oldestIsOver(nowMs: number): boolean {
    const [oldest] = this.#outcomes
    return oldest !== undefined && nowMs - oldest.atMs >= LIMITS.breakerWindowMs
  }

  #open(nowMs: number, forMs: number): void {
    this.#openMs = forMs
    this.#openUntilMs = nowMs + forMs
    this.#probeUntilMs = 0
  }

  #close(): void {
    this.#openUntilMs = null
    this.#outcomes.length = 0
  }
}
