/** Asks every host what it offers, writes it down, and keeps the ledger: a host that is not heard of stops receiving. */
import { sql } from 'drizzle-orm'
import type { HostCapacity } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { host } from '../database/schema/hosts.ts'
import type { Offer, Reserved } from '../placement/ledger.ts'
import { type Repeating, repeat } from '../repeat.ts'
import type { Host } from './client.ts'

export const pollHosts = (controller: Controller): Repeating[] =>
  [...controller.hosts.values()].map((one) =>
    repeat(LIMITS.hostPollMs, controller.log, `host.poll_failed ${one.name}`, () => pollHost(controller, one)),
  )

export async function pollHost(controller: Controller, { name, capacity: ask }: Host): Promise<void> {
  const answer = await ask()
  if (answer.kind !== 'done') throw answer.error
  const reserved = await writeOffer(controller.database.db, name, answer.value)
  const offer: Offer = { host: name, capacity: answer.value, reserved, seenAtMs: controller.clock() }
  controller.ledger.observe(offer)
}

/** Writes what the host offers, and reads in the same statement what of it is promised. */
async function writeOffer(db: Db, name: string, capacity: HostCapacity): Promise<Reserved> {
  const offer = {
    accepting: capacity.accepting,
    draining: capacity.draining,
    offeredVcpus: capacity.vcpus,
    offeredMemoryMib: capacity.memory_mib,
    offeredDiskMib: capacity.disk_mib,
    offeredVms: capacity.vms_max,
    lastSeen: sql`clock_timestamp()`,
  }
  const [row] = await db
    .insert(host)
    .values({ id: name, ...offer })
    .onConflictDoUpdate({ target: host.id, set: offer })
    .returning({ memoryMib: host.reservedMemoryMib, diskMib: host.reservedDiskMib, vms: host.reservedVms })
  if (row === undefined) throw new Error(`The offer of ${name} was not written.`)
  return row
}
