/**
 * The median and the 99th percentile of samples taken in batches: of each batch one, and the median of those. `p99Least` is that of the
 * batch in which the machine disturbed least; only that can be compared between two moments of a busy machine.
 */
export type Tail = { p50: number; p99: number; p99Least: number }

export const tailOf = (batches: number[][]): Tail => ({
  p50: median(batches.map((batch) => rank(batch, 0.5))),
  p99: median(batches.map((batch) => rank(batch, 0.99))),
  p99Least: Math.min(...batches.map((batch) => rank(batch, 0.99))),
})

const median = (values: number[]): number => rank(values, 0.5)

function rank(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}
