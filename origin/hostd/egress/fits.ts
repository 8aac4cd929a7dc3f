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
  const places = new Places(pieces)
  places.begin(-1)
  places.add(0)
  for (let at = 0; at < path.length && places.now.length > 0; at += 1) {
    const character = path[at]
    for (const place of places.begin(at)) {
      const piece = pieces[place]
      if (piece === undefined) continue
      if (piece.kind === 'anything' || (piece.kind === 'segment' && character !== '/')) places.add(place)
      else if (piece.kind === 'text' && piece.character === character) places.add(place + 1)
    }
  }
  return places.now.includes(pieces.length)
}

/** Where in a glob one may be, each place once. */
class Places {
  now: number[] = []
  readonly #pieces: Piece[]
  /** When each was added last. */
  readonly #addedAt: Int32Array
  #at = -2

  constructor(pieces: Piece[]) {
    this.#pieces = pieces
    this.#addedAt = new Int32Array(pieces.length + 2).fill(this.#at)
  }

  /** Those of before; there are none now. */
  begin(at: number): number[] {
    const before = this.now
    this.now = []
    this.#at = at
    return before
  }

  /** A star may also be nothing. */
  add(place: number): void {
    if (this.#addedAt[place] === this.#at) return
    this.#addedAt[place] = this.#at
    this.now.push(place)
    const kind = this.#pieces[place]?.kind
    if (kind === 'segment' || kind === 'anything') this.add(place + 1)
  }
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

/** The same for a server that takes an escaped slash for one. */
export const unescapedPath = (plain: string): string => plain.replace(/%(2F|5C)/g, '/').replace(/\/+/g, '/')

/** Whether such a server, or one to whom what follows `;` is no part of a name, would go up from where a plain path seems to lead. */
export const mayClimb = (plain: string): boolean => /\/\.{1,2}(;[^/]*)?(\/|$)/.test(unescapedPath(plain))
