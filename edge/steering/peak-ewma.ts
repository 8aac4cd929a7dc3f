/**
 * How long a region takes to be reached, as this isolate has seen it: a mean that forgets with time, and jumps to every peak, so that a
 * path that got worse is left at once and trusted again slowly. Time enters as an argument.
 */
import { LIMITS } from '../../shared/limits.ts'

export class PeakEwma {
  #valueMs: number | null = null
  #atMs = 0
  #isWarm = false

  /** The first is dropped: it paid for the making of the connection. */
  observe(ms: number, nowMs: number): void {
    if (!this.#isWarm) {
      this.#isWarm = true
      return
    }
    const before = this.valueMs(nowMs)
    const kept = Math.exp(-(nowMs - this.#atMs) / LIMITS.rttForgetMs)
    this.#valueMs = before === null || ms >= before ? ms : before * kept + ms * (1 - kept)
    this.#atMs = nowMs
  }

  /** Null when nothing was seen for so long that the path may be another one. */
  valueMs(nowMs: number): number | null {
    return nowMs - this.#atMs <= LIMITS.rttSeenMs ? this.#valueMs : null
  }
}

/** What an answer took on its way: what it took altogether, less what the region says that it worked. Null when it does not say. */
export function wayMs(regionMs: number, serverTiming: string | null): number | null {
  const total = /(?:^|,)\s*total;dur=([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(?:,|$)/.exec(serverTiming ?? '')?.[1]
  return total === undefined ? null : Math.max(0, regionMs - Number(total))
}
