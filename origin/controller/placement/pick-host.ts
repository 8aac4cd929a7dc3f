/** Which host should try this machine. Pure: the ledger's offers in, a host out; the guarded write decides whether it may. */
import { type Machine, sizeOf } from '../../../shared/machines.ts'
import { type Offer, roomFor } from './ledger.ts'

export type Wish = { template: string; machine: Machine; except: ReadonlySet<string> }

/** A host with a primed machine first, then the one with the most room, then by name so that equals are told apart. */
export function pickHost(offers: readonly Offer[], wish: Wish): string | undefined {
  return offers
    .filter((offer) => !wish.except.has(offer.host))
    .filter((offer) => offer.capacity.templates.includes(wish.template))
    .map((offer) => ({ host: offer.host, primed: isPrimed(offer, wish), room: roomFor(offer, wish.machine) }))
    .filter(({ room }) => room > 0)
    .sort((a, b) => Number(b.primed) - Number(a.primed) || b.room - a.room || (a.host < b.host ? -1 : 1))[0]?.host
}

const isPrimed = (offer: Offer, wish: Wish): boolean =>
  (offer.capacity.pool[`${wish.template}@${sizeOf(wish.machine)}`] ?? 0) > 0
