/**
 * Writes what the hosts offer and reads what of it is promised, for all that were heard of at about the same time in one statement:
 * a hundred hosts that each had one of their own every second would keep the database busy with nothing. An offer that is as it
 * was is written again only so often that its host is not taken for lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { HostCapacity } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Reserved } from '../placement/ledger.ts'

/** Rows in the order of their ids, as everybody locks them; what need not be written is not even locked. */
const WRITE = `
  with given as (
    select * from jsonb_to_recordset($1::jsonb) as one (id text, accepting boolean, draining boolean, vcpus integer,
      memory_mib bigint, disk_mib bigint, vms_max integer)
  ), written as (
    insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
    select given.id, given.accepting, given.draining, vcpus, memory_mib, disk_mib, vms_max, clock_timestamp()
    from given left join host using (id)
    where host.last_seen is null or host.last_seen not between clock_timestamp() - make_interval(secs => $2) and clock_timestamp()
      or (given.accepting, given.draining, vcpus, memory_mib, disk_mib, vms_max) is distinct from
        (host.accepting, host.draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms)
    order by given.id
    on conflict (id) do update set accepting = excluded.accepting, draining = excluded.draining,
      offered_vcpus = excluded.offered_vcpus, offered_memory_mib = excluded.offered_memory_mib,
      offered_disk_mib = excluded.offered_disk_mib, offered_vms = excluded.offered_vms, last_seen = excluded.last_seen
  )
  select id, reserved_memory_mib::float8 as "memoryMib", reserved_disk_mib::float8 as "diskMib", reserved_vms as vms
  from host where id in (select id from given)`

type Batch = { offers: Map<string, HostCapacity>; reserved: Promise<Map<string, Reserved>> }
export type OfferWriter = (host: string, capacity: HostCapacity) => Promise<Reserved>

const NOTHING: Reserved = { memoryMib: 0, diskMib: 0, vms: 0 }

export function createOfferWriter(pool: pg.Pool): OfferWriter {
  let gathering: Batch | undefined
  let nextAt = 0

  const gather = (): Batch => {
    const offers = new Map<string, HostCapacity>()
    const reserved = (async () => {
      await sleep(Math.max(0, nextAt - performance.now()))
      nextAt = performance.now() + LIMITS.hostOffersEveryMs
      gathering = undefined
      return write(pool, offers)
    })()
    return { offers, reserved }
  }
  return async (host, capacity) => {
    gathering ??= gather()
    const batch = gathering
    batch.offers.set(host, capacity)
    // A host that is new has no row that its own statement could have read.
    return (await batch.reserved).get(host) ?? NOTHING
  }
}

async function write(pool: pg.Pool, offers: Map<string, HostCapacity>): Promise<Map<string, Reserved>> {
  const given = [...offers].map(([id, { accepting, draining, vcpus, memory_mib, disk_mib, vms_max }]) => ({
    id,
    accepting,
    draining,
    vcpus,
    memory_mib,
    disk_mib,
    vms_max,
  }))
  const { rows } = await pool.query<Reserved & { id: string }>({
    name: 'write_offers',
    text: WRITE,
    values: [JSON.stringify(given), LIMITS.hostSeenEveryMs / 1_000],
  })
  return new Map(rows.map(({ id, ...reserved }) => [id, reserved]))
}
