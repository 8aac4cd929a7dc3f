/** A slug out of a name: what of it may stand in a host name. */
const SLUG_CHARS_MAX = 63
const NOTHING_LEFT = 'workspace'

export function slugOf(name: string): string {
  const plain = name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase()
  const words = plain.replaceAll(/[^a-z0-9]+/g, '-').slice(0, SLUG_CHARS_MAX)
  return words.replaceAll(/^-+|-+$/g, '') || NOTHING_LEFT
}
