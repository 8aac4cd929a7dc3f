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
  /** What some host that is for this tenant can start. */
  templates(tenant: string): ReadonlySet<string>
  observe(offer: Omit<Offer, 'seenAtMs'>): void
  /** It lives, whatever else became of its word: a database that is away for long must not make every host look lost. */
  hear(host: string): void
  /** The host has left the region. */
  forget(host: string): void
  /** A promise was made: counted at once, so that the next pick within the same poll sees it. */
  promise(host: string, machine: Machine): void
  /** 0 is idle, 1 is full: the promised share of the memory that is offered to all. */
  load(): number
}

/** `steady` counts milliseconds and is never set: a host must not fall silent, or stay heard, because a clock was. */
export function createLedger(steady: () => number): Ledger {
  const byHost = new Map<string, Offer>()
  // Every create asks for both. They change when a host comes or goes; one that has fallen silent is dropped within a poll.
  let kept: { atMs: number; offers: Offer[]; templates: Templates } | undefined
  const isFresh = (offer: Offer): boolean => steady() - offer.seenAtMs < LIMITS.hostLostAfterMs

  const keep = () => {
    const nowMs = steady()
    if (kept !== undefined && nowMs - kept.atMs < LIMITS.hostPollMs) return kept
    const offers = [...byHost.values()].filter(isFresh).sort((a, b) => (a.host < b.host ? -1 : 1))
    kept = { atMs: nowMs, offers, templates: templatesOf(offers) }
    return kept
  }
  return {
    offers: () => keep().offers,
    templates(tenant) {
      const { forAll, byTenant } = keep().templates
      return byTenant.get(tenant) ?? forAll
    },
    observe(offer) {
      const known = byHost.get(offer.host)
      const seen = { ...offer, seenAtMs: steady() }
      if (known !== undefined && isFresh(known) && isAlike(known, seen)) return void Object.assign(known, seen)
      byHost.set(offer.host, seen)
      kept = undefined
    },
    hear(host) {
      const offer = byHost.get(host)
      if (offer !== undefined && isFresh(offer)) offer.seenAtMs = steady()
    },
    forget(host) {
      byHost.delete(host)
      kept = undefined
    },
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

type Templates = { forAll: ReadonlySet<string>; byTenant: ReadonlyMap<string, ReadonlySet<string>> }

function templatesOf(offers: Offer[]): Templates {
  const names = (some: Offer[]): Set<string> => new Set(some.flatMap(({ capacity }) => capacity.templates))
  const owners = new Set(offers.flatMap(({ tenant }) => tenant ?? []))
  const byTenant = [...owners].map((tenant) => [tenant, names(offers.filter((offer) => isFor(offer, tenant)))] as const)
  return { forAll: names(offers.filter(isForAll)), byTenant: new Map(byTenant) }
}

const isAlike = (one: Offer, other: Offer): boolean =>
  one.tenant === other.tenant && one.capacity.templates.join() === other.capacity.templates.join()

export const isOpen = ({ capacity, cordoned }: Offer): boolean => capacity.accepting && !capacity.draining && !cordoned

export const isForAll = ({ tenant }: Offer): boolean => tenant === null

/** A customer's own machine does not exist for anybody else. */
export const isFor = (offer: Offer, tenant: string): boolean => isForAll(offer) || offer.tenant === tenant

/** Whether it is large enough for this machine, were it empty. */
export const couldHold = ({ capacity }: Offer, machine: Machine): boolean =>
  machine.memoryMib <= Math.min(capacity.memory_mib, capacity.vm_memory_mib_max ?? capacity.memory_mib) &&
  machine.diskMib <= capacity.disk_mib

/** How many more machines of this kind may be promised. CPUs are shared by the host's scheduler, so they are no bound. */
export function roomFor(offer: Offer, machine: Machine): number {
  if (!isOpen(offer) || !couldHold(offer, machine)) return 0
  const { capacity, reserved } = offer
  const byMemory = (capacity.memory_mib - reserved.memoryMib) / machine.memoryMib
  const byDisk = (capacity.disk_mib - reserved.diskMib) / machine.diskMib
  return Math.max(0, Math.floor(Math.min(byMemory, byDisk, capacity.vms_max - reserved.vms)))
}
