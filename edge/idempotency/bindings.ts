/**
 * Which region has the sandbox of an Idempotency-Key, and what follows from what a request says of it. No clock, no I/O, no storage.
 *
 *             .------ taken over ------.
 *   none -> held -- given free --> lost'        held, lost -- another was answered from there --> settled, for good
 *             '------- moved to another region -------> held there, and the first region owes the sandbox
 *
 * The request that binds a key holds it, and may answer its caller from that region without another word; so while it is held nobody else
 * moves it, even if the holder is dead. Every other request asks before it answers. Whoever moves a key has answered nobody from the
 * first region, and neither has anybody else: no sandbox that a caller was told of is ever given up.
 *
 * What cannot be undone (a command; a body that nobody has kept) has no `body` here. It is asked about before it is sent, and is
 * settled as soon as a second request comes with its key.
 */
export type Binding = {
  region: string
  state: 'held' | 'lost' | 'settled'
  /** The request that bound it, or took it over. */
  holder: string
  body: string | null
  /** Regions that owe the sandbox of this key. It is never bound to them again. */
  owing: readonly string[]
}

/** A request that is on its way to a region. `body` is the hex SHA-256 of what it sends; null when that cannot be undone. */
export type Bearer = { request: string; region: string; body: string | null }

export type Debt = { region: string; body: string }
export type Elsewhere = { kind: 'elsewhere'; region: string; isSettled: boolean }
export type Step<Word> = { binding: Binding | undefined; debts: readonly Debt[]; word: Word }

/** `yours`: answer, or move it. `shared`: ask before answering, unless it is settled. `elsewhere`: what was sent here is given up. */
export type Bound = { kind: 'yours' } | { kind: 'shared'; isSettled: boolean } | Elsewhere

export function bind(known: Binding | undefined, bearer: Bearer): Step<Bound> {
  if (known === undefined) return { binding: heldBy(bearer, []), debts: [], word: { kind: 'yours' } }
  if (known.region !== bearer.region)
    return mayMove(known, bearer) ? moved(known, bearer, { kind: 'yours' }) : stays(known, bearer)
  if (isFreeFor(known, bearer)) return { binding: heldBy(bearer, known.owing), debts: [], word: { kind: 'yours' } }
  const binding = bearer.body === null ? settled(known) : known
  return { binding, debts: [], word: { kind: 'shared', isSettled: binding.state === 'settled' } }
}

export type Confirmed = { kind: 'yours' } | Elsewhere

/** Before a request answers that does not hold the key. `isMade`: its answer is of a sandbox. */
export function confirm(known: Binding | undefined, bearer: Bearer, isMade: boolean): Step<Confirmed> {
  if (known !== undefined && known.region !== bearer.region) return stays(known, bearer)
  const binding = isMade ? settled(known ?? heldBy(bearer, [])) : known
  return { binding, debts: [], word: { kind: 'yours' } }
}

/** `kept`: whoever holds it may have answered from the first region, or the other one owes it. */
export type Moved = { kind: 'moved' } | { kind: 'kept' } | Elsewhere

/** The bearer was sent to its region, which did not answer or refused, and would go on to another one. */
export function move(known: Binding | undefined, bearer: Bearer, to: string): Step<Moved> {
  const there = { ...bearer, region: to }
  if (known === undefined) return moved(heldBy(bearer, []), there, { kind: 'moved' })
  // The answer to the same question was lost.
  if (known.region === to && isHeldBy(known, bearer)) return { binding: known, debts: [], word: { kind: 'moved' } }
  if (known.region !== bearer.region) return stays(known, bearer)
  return mayMove(known, there)
    ? moved(known, there, { kind: 'moved' })
    : { binding: known, debts: [], word: { kind: 'kept' } }
}

/** The request will answer nobody: whoever comes next with the key may move it. */
export function giveFree(known: Binding | undefined, request: string): Step<undefined> {
  const isFree = known?.state === 'held' && known.holder === request && known.body !== null
  return { binding: isFree ? { ...known, state: 'lost' } : known, debts: [], word: undefined }
}

const isHeldBy = ({ state, holder }: Binding, { request }: Bearer): boolean => state === 'held' && holder === request

/** A request with another body is another request, whose sandbox could not be told from this one's when it is given up. */
const isFreeFor = (known: Binding, bearer: Bearer): boolean =>
  isHeldBy(known, bearer) || (known.state === 'lost' && known.body === bearer.body)

const mayMove = (known: Binding, there: Bearer): boolean =>
  isFreeFor(known, there) && !known.owing.includes(there.region)

const heldBy = ({ region, request, body }: Bearer, owing: readonly string[]): Binding => ({
  region,
  state: 'held',
  holder: request,
  body,
  owing,
})

const settled = (known: Binding): Binding => ({ ...known, state: 'settled' })

function moved<Word>(known: Binding, there: Bearer, word: Word): Step<Word> {
  const debts = debtOf(known.region, known.body)
  return { binding: heldBy(there, withDebts(known.owing, debts)), debts, word }
}

/** What the bearer sent to another region than the key's is to be undone there. */
function stays(known: Binding, { region, body }: Bearer): Step<Elsewhere> {
  const debts = debtOf(region, body)
  const binding = { ...(body === null ? settled(known) : known), owing: withDebts(known.owing, debts) }
  return {
    binding,
    debts,
    word: { kind: 'elsewhere', region: binding.region, isSettled: binding.state === 'settled' },
  }
}

const debtOf = (region: string, body: string | null): Debt[] => (body === null ? [] : [{ region, body }])

const withDebts = (owing: readonly string[], debts: readonly Debt[]): string[] => [
  ...new Set([...owing, ...debts.map(({ region }) => region)]),
]
