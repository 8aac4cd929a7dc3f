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

/** What the database knows of a host that has said what it offers. */
export type Known = { reserved: Reserved; cordoned: boolean; tenant: string | null }
/** A host that the configuration names has a row as soon as it is heard of; one that has joined, only until it is removed. */
type Speaker = { name: string; isConfigured: boolean }
export type OfferWriter = (host: Speaker, capacity: HostCapacity) => Promise<Known | undefined>

/** Rows in the order of their ids, as everybody locks them; what need not be written is not even locked. */
const WRITE = `
  with given as (
    select * from jsonb_to_recordset($1::jsonb) as one (id text, configured boolean, accepting boolean, draining boolean,
      vcpus integer, memory_mib bigint, disk_mib bigint, vms_max integer)
  ), written as (
    insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
    select given.id, given.accepting, given.draining, vcpus, memory_mib, disk_mib, vms_max, clock_timestamp()
    from given left join host using (id)
    where (configured or removed_at is null and last_seen is not null) and (
      last_seen is null or last_seen not between clock_timestamp() - make_interval(secs => $2) and clock_timestamp()
      or removed_at is not null or (given.accepting, given.draining, vcpus, memory_mib, disk_mib, vms_max) is distinct from
        (host.accepting, host.draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms))
    order by given.id
    on conflict (id) do update set accepting = excluded.accepting, draining = excluded.draining,
      offered_vcpus = excluded.offered_vcpus, offered_memory_mib = excluded.offered_memory_mib,
      offered_disk_mib = excluded.offered_disk_mib, offered_vms = excluded.offered_vms, last_seen = excluded.last_seen,
      away_from = case when host.last_seen < excluded.last_seen - make_interval(secs => $3)
        then coalesce(host.away_from, host.last_seen) else host.away_from end,
      removed_at = case when (select configured from given where given.id = host.id) then null else host.removed_at end
  )
  select id, cordoned, tenant, jsonb_build_object(
    'memoryMib', reserved_memory_mib, 'diskMib', reserved_disk_mib, 'vms', reserved_vms) as reserved
  from host join given using (id) where configured or removed_at is null`

type Batch = { offers: Map<string, object>; known: Promise<Map<string, Known>> }

/** A host that is new has no row yet that the statement that makes it could read. */
const NEW: Known = { reserved: { memoryMib: 0, diskMib: 0, vms: 0 }, cordoned: false, tenant: null }

/** The writer answers undefined for a host that was removed. */
export function createOfferWriter(pool: pg.Pool): OfferWriter {
  let gathering: Batch | undefined
  let nextAt = 0

  const gather = (): Batch => {
    const offers = new Map<string, object>()
    const known = (async () => {
      await sleep(Math.max(0, nextAt - performance.now()))
      nextAt = performance.now() + LIMITS.hostOffersEveryMs
      gathering = undefined
      return write(pool, [...offers.values()])
    })()
    return { offers, known }
  }
  return async ({ name, isConfigured }, { accepting, draining, vcpus, memory_mib, disk_mib, vms_max }) => {
    gathering ??= gather()
    const batch = gathering
    const offer = { id: name, configured: isConfigured, accepting, draining, vcpus, memory_mib, disk_mib, vms_max }
    batch.offers.set(name, offer)
    return (await batch.known).get(name) ?? (isConfigured ? NEW : undefined)
  }
}

async function write(pool: pg.Pool, offers: object[]): Promise<Map<string, Known>> {
  const { rows } = await pool.query<Known & { id: string }>({
    name: 'write_offers',
    text: WRITE,
    values: [JSON.stringify(offers), LIMITS.hostSeenEveryMs / 1_000, LIMITS.hostSilentMs / 1_000],
  })
  return new Map(rows.map(({ id, ...known }) => [id, known]))
}
