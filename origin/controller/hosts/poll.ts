/** Asks a host what it offers, writes it down, and keeps the ledger: a host that is not heard of stops receiving. */
import { and, eq, isNull, sql } from 'drizzle-orm'
import type { HostCapacity } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { host } from '../database/schema/hosts.ts'
import type { Offer } from '../placement/ledger.ts'
import { type Repeating, repeat } from '../repeat.ts'
import type { Host } from './client.ts'

export const keepPolling = (controller: Controller, one: Host): Repeating =>
  repeat(LIMITS.hostPollMs, controller.log, `host.poll_failed ${one.name}`, () => pollHost(controller, one))

export async function pollHost(controller: Controller, one: Host): Promise<void> {
  const answer = await one.capacity()
  if (answer.kind !== 'done') throw answer.error
  const row = await writeOffer(controller.database.db, one, answer.value)
  // What has left the region is still looked at for a while, but offers nothing.
  if (row === undefined) return controller.ledger.forget(one.name)
  controller.ledger.observe({ host: one.name, capacity: answer.value, seenAtMs: controller.clock(), ...row })
}

type Known = Pick<Offer, 'reserved' | 'cordoned' | 'tenant'>

/** What of its offer is promised, and to whom it is made. */
const KNOWN = {
  memoryMib: host.reservedMemoryMib,
  diskMib: host.reservedDiskMib,
  vms: host.reservedVms,
  cordoned: host.cordoned,
  tenant: host.tenant,
}

/** Writes what the host offers, and reads in the same statement what is known of it. Undefined when it was removed. */
async function writeOffer(db: Db, one: Host, capacity: HostCapacity): Promise<Known | undefined> {
  const offer = {
    accepting: capacity.accepting,
    draining: capacity.draining,
    offeredVcpus: capacity.vcpus,
    offeredMemoryMib: capacity.memory_mib,
    offeredDiskMib: capacity.disk_mib,
    offeredVms: capacity.vms_max,
    lastSeen: sql`clock_timestamp()`,
  }
  const isPresent = and(eq(host.id, one.name), isNull(host.removedAt))
  const [row] = one.isConfigured
    ? await db
        .insert(host)
        .values({ id: one.name, ...offer })
        .onConflictDoUpdate({ target: host.id, set: { ...offer, removedAt: null } })
        .returning(KNOWN)
    : await db.update(host).set(offer).where(isPresent).returning(KNOWN)
  if (row === undefined) return undefined
  const { cordoned, tenant, ...reserved } = row
  return { cordoned, tenant, reserved }
}
