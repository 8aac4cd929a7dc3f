/** What a rule of a policy fits: hosts and paths. Pure, and no slower than the text is long: both sides of a comparison come from strangers. */
import { familyOf } from '../../../shared/public-address.ts'

/** An address is fitted only by itself: no name leads there, so no pattern of names does. */
export function fitsHost(pattern: string, host: string): boolean {
  if (pattern === host) return true
  if (familyOf(host) !== 0) return false
  return (
    pattern === '*' || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)) && host.length >= pattern.length)
  )
}

type Piece = { kind: 'text'; character: string } | { kind: 'segment' } | { kind: 'anything' }

function piecesOf(glob: string): Piece[] {
  return (glob.match(/\*+|[^*]/g) ?? []).map((text): Piece => {
    if (!text.startsWith('*')) return { kind: 'text', character: text }
    return { kind: text.length === 1 ? 'segment' : 'anything' }
  })
}

/** `*` is anything without a slash, `**` anything. All ways to read the stars are followed at once, so none is ever tried again. */
export function fitsPath(glob: string, path: string): boolean {
  const pieces = piecesOf(glob)
  let places = reachable(pieces, [0])
  for (const character of path) {
    const next = new Set<number>()
    for (const place of places) {
      const piece = pieces[place]
      if (piece === undefined) continue
      if (piece.kind === 'anything' || (piece.kind === 'segment' && character !== '/')) next.add(place)
      else if (piece.kind === 'text' && piece.character === character) next.add(place + 1)
    }
    if (next.size === 0) return false
    places = reachable(pieces, next)
  }
  return places.has(pieces.length)
}

/** A star may also be nothing. */
function reachable(pieces: Piece[], from: Iterable<number>): Set<number> {
  const places = new Set(from)
  for (const place of places) {
    const kind = pieces[place]?.kind
    if (kind === 'segment' || kind === 'anything') places.add(place + 1)
  }
  return places
}

/**
 * The path that servers take a request's target for: dots resolved, one slash where there were several, and no percent sign before
 * what needs none. Without its query. A target begins with a slash.
 */
export function plainPath(target: string): string {
  const { pathname } = new URL(`http://host${target}`)
  const decoded = pathname.replace(/%[0-9a-f]{2}/gi, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : escaped.toUpperCase()
  })
  // What was decoded may be dots again.
  return new URL(`http://host${decoded.replace(/[\\/]+/g, '/')}`).pathname
}
