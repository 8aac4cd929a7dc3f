/**
 * What the hosts offer and what of it is promised, in memory: enough to choose a host without asking anybody.
 * It may be a poll old. That is harmless, because the guarded write in the database decides; this only makes it decide once.
 */
import type { HostCapacity } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine } from '../../../shared/machines.ts'

export type Reserved = { memoryMib: number; diskMib: number; vms: number }
export type Offer = {
  host: string
  capacity: HostCapacity
  reserved: Reserved
  seenAtMs: number
  /** Its owner's word: nothing new. */
  cordoned: boolean
  /** Whose own machine it is; null is a machine for all. */
  tenant: string | null
}

export type Ledger = {
  /** The hosts that were heard of lately. */
  offers(): Offer[]
  observe(offer: Offer): void
  /** The host has left the region. */
  forget(host: string): void
  /** A promise was made: counted at once, so that the next pick within the same poll sees it. */
  promise(host: string, machine: Machine): void
  /** 0 is idle, 1 is full: the promised share of the memory that is offered to all. */
  load(): number
}

export function createLedger(clock: () => number): Ledger {
  const byHost = new Map<string, Offer>()
  const isFresh = (offer: Offer): boolean => clock() - offer.seenAtMs < LIMITS.hostLostAfterMs

  return {
    offers: () => [...byHost.values()].filter(isFresh),
    observe: (offer) => void byHost.set(offer.host, offer),
    forget: (host) => void byHost.delete(host),
    promise(host, machine) {
      const offer = byHost.get(host)
      if (offer === undefined) return
      offer.reserved = {
        memoryMib: offer.reserved.memoryMib + machine.memoryMib,
        diskMib: offer.reserved.diskMib + machine.diskMib,
        vms: offer.reserved.vms + 1,
      }
    },
    load() {
      const fresh = [...byHost.values()].filter((offer) => isFresh(offer) && isOpen(offer) && isForAll(offer))
      const offered = fresh.reduce((sum, { capacity }) => sum + capacity.memory_mib, 0)
      const reserved = fresh.reduce((sum, offer) => sum + offer.reserved.memoryMib, 0)
      return offered === 0 ? 1 : Math.min(1, reserved / offered)
    },
  }
}

export const isOpen = ({ capacity, cordoned }: Offer): boolean => capacity.accepting && !capacity.draining && !cordoned

export const isForAll = ({ tenant }: Offer): boolean => tenant === null

/** A customer's own machine does not exist for anybody else. */
export const isFor = (offer: Offer, tenant: string): boolean => isForAll(offer) || offer.tenant === tenant

/** How many more machines of this kind may be promised. CPUs are shared by the host's scheduler, so they are no bound. */
export function roomFor(offer: Offer, machine: Machine): number {
  if (!isOpen(offer)) return 0
  const { capacity, reserved } = offer
  const byMemory = (capacity.memory_mib - reserved.memoryMib) / machine.memoryMib
  const byDisk = (capacity.disk_mib - reserved.diskMib) / machine.diskMib
  return Math.max(0, Math.floor(Math.min(byMemory, byDisk, capacity.vms_max - reserved.vms)))
}
