/**
 * One answer out of the numbers of several regions. Everything is added that is a number; rows that say the same in words are one
 * row; of anything else the first region's word stands.
 */

/** What a double holds for certain: without this 0.1 and 0.2 would be 0.30000000000000004. */
const SIGNIFICANT_DIGITS = 15

type Body = Record<string, unknown>

/** Whole bodies: what is in an envelope stays in it. */
export const sumBodies = (bodies: readonly Body[]): Body => bodies.reduce(sumObjects, {})

export function sumAnswers(parts: readonly unknown[]): unknown {
  const [first, ...others] = parts.filter((part) => part !== null && part !== undefined)
  if (first === undefined) return null
  return others.reduce(sumTwo, first)
}

function sumTwo(one: unknown, other: unknown): unknown {
  if (typeof one === 'number' && typeof other === 'number') return Number((one + other).toPrecision(SIGNIFICANT_DIGITS))
  if (Array.isArray(one) && Array.isArray(other)) return sumRows([...one, ...other])
  if (isObject(one) && isObject(other)) return sumObjects(one, other)
  return one
}

function sumObjects(one: Body, other: Body): Body {
  const names = new Set([...Object.keys(one), ...Object.keys(other)])
  return Object.fromEntries([...names].map((name) => [name, sumAnswers([one[name], other[name]])]))
}

/** `{day: "2026-11-20", running_seconds: 5}` of two regions is one row of that day. */
function sumRows(rows: readonly unknown[]): unknown[] {
  const byWords = new Map<string, unknown>()
  for (const row of rows) {
    const words = JSON.stringify(row, (_name, value: unknown) => (typeof value === 'number' ? 0 : value))
    byWords.set(words, sumAnswers([byWords.get(words), row]))
  }
  return [...byWords.values()]
}

const isObject = (value: unknown): value is Body => typeof value === 'object' && value !== null && !Array.isArray(value)
