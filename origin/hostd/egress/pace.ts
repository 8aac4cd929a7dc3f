/** So many in a second, and after a rest as many at once as fit. Whoever asks says what time it is. */
export type Pace = {
  /** Whether there is room for one more now; then it is taken. */
  takes(nowMs: number): boolean
}

/** `perSec` is asked again each time: it may become another one. */
export function createPace(perSec: () => number, burst: () => number = perSec): Pace {
  let left = burst()
  let atMs: number | null = null
  return {
    takes(nowMs) {
      // A clock that is set back gives nothing, and takes nothing.
      const passedMs = Math.max(0, nowMs - (atMs ?? nowMs))
      left = Math.min(burst(), left + (passedMs / 1_000) * perSec())
      atMs = nowMs
      if (left < 1) return false
      left -= 1
      return true
    },
  }
}
