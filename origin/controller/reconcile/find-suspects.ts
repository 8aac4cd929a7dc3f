/**
 * Where one host and the rows of its sandboxes may disagree. The database compares the two and answers only what has to be looked
 * at, because it is asked for every sandbox of the region, over and over, and almost always there is nothing.
 */
import type { VmInventory, VmRecord } from '../../../shared/contracts/host.ts'
import type { SandboxState } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'

export type Holding = Pick<
  SandboxRow,
  'id' | 'state' | 'revision' | 'host' | 'instance' | 'persistent' | 'changedAt' | 'mergeInto'
> & {
  isOwnerAlive: boolean
  ageMs: number
  isDue: boolean
  isOverdue: boolean
  /** Its host would end it at another time than the row says. */
  isMistimed: boolean
  /** Its host goes by another word on where it may go than the last one that the row has. */
  isMisled: boolean
}
/** `holdings` are rows that hold room there; `rowless` is what is, or was lost, on the host and has no such row. */
export type Suspects = { holdings: Holding[]; rowless: string[] }

type Found = (Holding & { there: string | null }) | { id: null; there: string }

type There = Pick<VmRecord, 'expires_at_ms' | 'idle_timeout_sec' | 'egress_revision'> & {
  state: VmRecord['state'] | 'none'
}
const LOST: There = { state: 'none', expires_at_ms: null, idle_timeout_sec: 0 }

/** A row and a machine that are both in one of these need no look, unless its time is over, or another one there. */
const AGREED = ['running', 'paused'] satisfies SandboxState[]

/** Only of what has a clock there: a machine that is paused and to be kept is not stopped by time. */
const MISTIMED = `(row.state = there.state and (row.state = 'running' or not row.persistent)
    and ((extract(epoch from row.expires_at) * 1000)::bigint is distinct from there.expires_ms
      or case when row.always_on then 0 else row.idle_timeout_sec end <> there.idle_sec))`

/** Of what has no way out, the host may have forgotten that it was told so. */
const MISLED = `(row.state = there.state
    and case when row.egress_mark is null then there.egress <> coalesce(row.egress_revision, 0)
      else row.egress_revision is distinct from there.egress end)`

/** Ages are reckoned by the database's clock, which every controller of the region shares. Who is alive is asked only where it counts. */
const FIND = `
  select row.id, row.state, row.revision, row.host, row.instance, row.persistent, row.changed_at as "changedAt",
    row.merge_into as "mergeInto",
    case when row.state in ('creating', 'provisioning', 'snapshotting') or row.merge_into is not null then instance_alive(row.instance) else true end as "isOwnerAlive",
    (extract(epoch from clock_timestamp() - row.changed_at) * 1000)::float8 as "ageMs",
    coalesce(row.expires_at <= clock_timestamp(), false) as "isDue",
    coalesce(row.expires_at < clock_timestamp() - make_interval(secs => $4), false) as "isOverdue",
    coalesce(${MISTIMED}, false) as "isMistimed", coalesce(${MISLED}, false) as "isMisled", there.id as there
  from (select * from sandbox where host = $1 and released_at is null) as row
  full join unnest($2::text[], $3::text[], $6::bigint[], $7::integer[], $8::bigint[])
    as there (id, state, expires_ms, idle_sec, egress) on there.id = row.id
  where row.state is distinct from there.state or row.state <> all ($5) or row.merge_into is not null
    or row.expires_at < clock_timestamp() - make_interval(secs => $4)
    or ${MISTIMED} or ${MISLED}`

export async function findSuspects({ database }: Controller, host: string, inventory: VmInventory): Promise<Suspects> {
  const there = new Map<string, There>(inventory.lost.map(({ id }) => [id, LOST]))
  for (const vm of inventory.vms) there.set(vm.id, vm)
  const all = [...there.values()]
  const { rows } = await database.pool.query<Found>({
    name: 'find_suspects',
    text: FIND,
    values: [
      host,
      [...there.keys()],
      all.map(({ state }) => state),
      LIMITS.expiryGraceMs / 1_000,
      AGREED,
      all.map(({ expires_at_ms }) => (expires_at_ms === null ? null : Math.round(expires_at_ms))),
      all.map(({ idle_timeout_sec }) => idle_timeout_sec),
      all.map(({ egress_revision }) => egress_revision ?? null),
    ],
  })
  return {
    holdings: rows.filter((row) => row.id !== null),
    rowless: rows.flatMap((row) => (row.id === null ? [row.there] : [])),
  }
}
