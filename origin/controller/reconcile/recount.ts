/**
 * Holds what is summed up against what it sums up: the room promised on each host, and the slots of each tenant, both kept by the
 * trigger on the sandbox. They should never differ; when they do, it is counted, logged and mended, because a sum that is too high
 * refuses what should be admitted and one that is too low admits what should not be.
 *
 * One statement sees one moment, in which a row and its sum always agree; so the look needs no lock. Only a sum that seems wrong is
 * locked, which keeps every change of its rows waiting, and counted again.
 */
import { sql } from 'drizzle-orm'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'

type Sum = {
  kind: 'reservations' | 'slots'
  /** The ids of those that seem wrong. */
  findWrong(db: Db): Promise<string[]>
  /** Whether it was. */
  setRight(db: Db, id: string): Promise<boolean>
}

const SUMS: readonly Sum[] = [
  { kind: 'reservations', findWrong: findWrongHosts, setRight: recountHost },
  { kind: 'slots', findWrong: findWrongTenants, setRight: recountTenant },
]

export async function recount(controller: Controller): Promise<void> {
  const { database, metrics, log } = controller
  for (const { kind, findWrong, setRight } of SUMS)
    for (const id of await findWrong(database.db)) {
      if (!(await setRight(database.db, id))) continue
      metrics.mends.inc({ kind })
      log('error', 'reconcile.recounted', { kind, id })
    }
}

const HELD = sql`
  select host, sum(vcpus) as vcpus, sum(memory_mib) as memory_mib, sum(disk_mib) as disk_mib, count(*) as vms
  from sandbox where released_at is null`
const RESERVED = sql`(h.reserved_vcpus, h.reserved_memory_mib, h.reserved_disk_mib, h.reserved_vms)`
const COUNTED_RESERVED = sql`
  (coalesce(held.vcpus, 0), coalesce(held.memory_mib, 0), coalesce(held.disk_mib, 0), coalesce(held.vms, 0))`

async function findWrongHosts(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    select h.id from host h left join (${HELD} group by host) held on held.host = h.id
    where ${RESERVED} is distinct from ${COUNTED_RESERVED}`)
  return rows.map(({ id }) => id)
}

function recountHost(db: Db, id: string): Promise<boolean> {
  return db.transaction(async (locked) => {
    await locked.execute(sql`select from host where id = ${id} for update`)
    const { rowCount } = await locked.execute(sql`
      update host h set reserved_vcpus = coalesce(held.vcpus, 0), reserved_memory_mib = coalesce(held.memory_mib, 0),
        reserved_disk_mib = coalesce(held.disk_mib, 0), reserved_vms = coalesce(held.vms, 0)
      from (select ${id} as id) one left join (${HELD} and host = ${id} group by host) held on true
      where h.id = one.id and ${RESERVED} is distinct from ${COUNTED_RESERVED}`)
    return (rowCount ?? 0) > 0
  })
}

const USED = sql`select tenant, count(*) as used from sandbox where released_at is null and is_counted(state)`

async function findWrongTenants(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ tenant: string }>(sql`
    select q.tenant from quota_grant q left join (${USED} group by tenant) live on live.tenant = q.tenant
    where q.used <> coalesce(live.used, 0)`)
  return rows.map(({ tenant }) => tenant)
}

function recountTenant(db: Db, tenant: string): Promise<boolean> {
  return db.transaction(async (locked) => {
    await locked.execute(sql`select from quota_grant where tenant = ${tenant} for update`)
    const { rowCount } = await locked.execute(sql`
      update quota_grant q set used = live.used
      from (select count(*) as used from sandbox where tenant = ${tenant} and state <> 'destroyed' and is_counted(state)) live
      where q.tenant = ${tenant} and q.used <> live.used`)
    return (rowCount ?? 0) > 0
  })
}
