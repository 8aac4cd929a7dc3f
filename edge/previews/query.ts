/** A query string as its sender wrote it: parameters are found and taken out, and every other byte stays as it is. */

const nameOf = (pair: string): string => decoded(pair.split('=', 1)[0] ?? '')

/** `search` is empty or begins with `?`. */
const pairsOf = (search: string): string[] => (search === '' ? [] : search.slice(1).split('&'))

export const valuesInQuery = (search: string, name: string): string[] =>
  pairsOf(search)
    .filter((pair) => nameOf(pair) === name)
    .map((pair) => decoded(pair.slice(pair.indexOf('=') + 1)))

export function withoutParameter(search: string, name: string): string {
  const pairs = pairsOf(search)
  const kept = pairs.filter((pair) => nameOf(pair) !== name)
  if (kept.length === pairs.length) return search
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
