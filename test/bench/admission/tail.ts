/** The median and the 99th percentile of samples taken in batches: of each batch one, and the median of those. */
export type Tail = { p50: number; p99: number }

export const tailOf = (batches: number[][]): Tail => ({
  p50: median(batches.map((batch) => rank(batch, 0.5))),
  p99: median(batches.map((batch) => rank(batch, 0.99))),
})

const median = (values: number[]): number => rank(values, 0.5)

function rank(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}
