/** Quantiles of a few dozen samples, by the nearest rank: every number shown is one that was measured. */
export type Quantiles = { samples: number; p50: number; p95: number; min: number; max: number }

export function quantilesOf(values: readonly number[]): Quantiles {
  if (values.length === 0) throw new RangeError('There are no samples.')
  const sorted = [...values].sort((a, b) => a - b)
  const rank = (q: number): number => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] as number
  return { samples: sorted.length, p50: rank(0.5), p95: rank(0.95), min: rank(0), max: rank(1) }
}
