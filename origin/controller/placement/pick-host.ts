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

type Candidate = { host: string; room: number }

export function pickHost(offers: readonly Offer[], wish: Wish): string | undefined {
  const equals = bestOf(offers, wish)
  switch (wish.placement) {
    case 'spread':
      return drawTwo(equals, wish.lot).reduce(roomier, undefined)?.host
    case 'pack':
      return equals.reduce(fuller, undefined)?.host
  }
}

/** Those of the highest rank that have room, by name. One pass, because it is done for every create and over every host. */
function bestOf(offers: readonly Offer[], wish: Wish): Candidate[] {
  const poolName = `${wish.template}@${sizeOf(wish.machine)}`
  let best = 0
  let equals: Candidate[] = []
  for (const offer of offers) {
    if (!mayTake(offer, wish)) continue
    const rank = 2 * Number(offer.tenant === wish.tenant) + Number((offer.capacity.pool[poolName] ?? 0) > 0)
    const room = rank < best ? 0 : roomFor(offer, wish.machine)
    if (room < 1) continue
    if (rank > best) equals = []
    best = rank
    equals.push({ host: offer.host, room })
  }
  return equals.sort((a, b) => (a.host < b.host ? -1 : 1))
}

const mayTake = (offer: Offer, wish: Wish): boolean =>
  isFor(offer, wish.tenant) && !wish.except.has(offer.host) && offer.capacity.templates.includes(wish.template)

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
