/**
 * Which host should try this machine. Pure: the ledger's offers in, a host out; the guarded write decides whether it may.
 *
 *   1. the tenant's own machines before those for all
 *   2. hosts with a primed machine before others: a warm start is ten times faster than any good distribution
 *   3. by policy: `spread` the one with more room of two drawn by lot, `pack` the fullest that fits
 *
 * The lot is there because several controllers choose by ledgers that are equally old: by the most room alone all would choose the same
 * host until the next poll. Two draws are nearly as even as a look at all (Mitzenmacher, The Power of Two Choices). Who packs wants the
 * pile, and the database says when it is high enough.
 */
import { type Machine, sizeOf } from '../../../shared/machines.ts'
import { isFor, type Offer, roomFor } from './ledger.ts'

export const PLACEMENTS = ['spread', 'pack'] as const
export type Placement = (typeof PLACEMENTS)[number]

export type Wish = {
  tenant: string
  template: string
  machine: Machine
  except: ReadonlySet<string>
  placement: Placement
  /** Two draws, each from 0 up to 1. */
  lot: readonly [number, number]
}

type Candidate = { host: string; rank: number; room: number }

export function pickHost(offers: readonly Offer[], wish: Wish): string | undefined {
  const candidates = offers
    .filter((offer) => mayTake(offer, wish))
    .map((offer) => ({ host: offer.host, rank: rankOf(offer, wish), room: roomFor(offer, wish.machine) }))
    .filter(({ room }) => room > 0)
  const best = Math.max(...candidates.map(({ rank }) => rank))
  const equals = candidates.filter(({ rank }) => rank === best).sort((a, b) => (a.host < b.host ? -1 : 1))
  switch (wish.placement) {
    case 'spread':
      return drawTwo(equals, wish.lot).reduce(roomier, undefined)?.host
    case 'pack':
      return equals.reduce(fuller, undefined)?.host
  }
}

const mayTake = (offer: Offer, wish: Wish): boolean =>
  isFor(offer, wish.tenant) && !wish.except.has(offer.host) && offer.capacity.templates.includes(wish.template)

const rankOf = (offer: Offer, wish: Wish): number =>
  2 * Number(offer.tenant === wish.tenant) + Number(isPrimed(offer, wish))

const isPrimed = (offer: Offer, wish: Wish): boolean =>
  (offer.capacity.pool[`${wish.template}@${sizeOf(wish.machine)}`] ?? 0) > 0

/** Two different ones, or as many as there are. Of two with equal room the first one drawn is taken, so that a name decides nothing. */
function drawTwo(from: Candidate[], [first, second]: Wish['lot']): Candidate[] {
  const one = Math.floor(first * from.length)
  const other = (one + 1 + Math.floor(second * (from.length - 1))) % from.length
  return from.length < 2 ? from : [one, other].flatMap((place) => from[place] ?? [])
}

const roomier = (best: Candidate | undefined, next: Candidate): Candidate =>
  best === undefined || next.room > best.room ? next : best

const fuller = (best: Candidate | undefined, next: Candidate): Candidate =>
  best === undefined || next.room < best.room ? next : best
