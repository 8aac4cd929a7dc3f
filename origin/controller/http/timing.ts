/** Where the time of one request went: milliseconds by phase, for Server-Timing and for the answer of `run`. */
export type Timing = {
  add(phase: string, ms: number): void
  /** Waits for the work and adds what it took. */
  measure<T>(phase: string, work: Promise<T>): Promise<T>
  elapsedMs(): number
  phases(): Record<string, number>
}

export function createTiming(now: () => number = () => performance.now()): Timing {
  const startedAt = now()
  const phases: Record<string, number> = {}
  const add = (phase: string, ms: number): void => {
    phases[phase] = (phases[phase] ?? 0) + ms
  }
  return {
    add,
    async measure(phase, work) {
      const from = now()
      try {
        return await work
      } finally {
        add(phase, now() - from)
      }
    },
    elapsedMs: () => now() - startedAt,
    phases: () => ({ ...phases, total: now() - startedAt }),
  }
}

export const serverTiming = (phases: Record<string, number>): string =>
  Object.entries(phases)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(', ')
