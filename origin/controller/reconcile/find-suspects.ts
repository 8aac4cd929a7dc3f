/**
 * Where one host and the rows of its sandboxes may disagree. The database compares the two and answers only what has to be looked
 * at, because it is asked for every sandbox of the region, over and over, and almost always there is nothing.
 */
import type { VmInventory } from '../../../shared/contracts/host.ts'
import type { SandboxState } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'

export type Holding = Pick<
  SandboxRow,
  'id' | 'state' | 'revision' | 'host' | 'instance' | 'persistent' | 'changedAt'
> & {
  isOwnerAlive: boolean
  ageMs: number
  isDue: boolean
  isOverdue: boolean
}
/** `holdings` are rows that hold room there; `rowless` is what is, or was lost, on the host and has no such row. */
export type Suspects = { holdings: Holding[]; rowless: string[] }

type Found = (Holding & { there: string | null }) | { id: null; there: string }

/** A row and a machine that are both in one of these need no look, unless its time is over. */
const AGREED = ['running', 'paused'] satisfies SandboxState[]

/** Ages are reckoned by the database's clock, which every controller of the region shares. Who is alive is asked only where it counts. */
const FIND = `
  select row.id, row.state, row.revision, row.host, row.instance, row.persistent, row.changed_at as "changedAt",
    case when row.state in ('creating', 'provisioning') then instance_alive(row.instance) else true end as "isOwnerAlive",
    (extract(epoch from clock_timestamp() - row.changed_at) * 1000)::float8 as "ageMs",
    coalesce(row.expires_at <= clock_timestamp(), false) as "isDue",
    coalesce(row.expires_at < clock_timestamp() - make_interval(secs => $4), false) as "isOverdue",
    there.id as there
  from (select * from sandbox where host = $1 and released_at is null) as row
  full join unnest($2::text[], $3::text[]) as there (id, state) on there.id = row.id
  where row.state is distinct from there.state or row.state <> all ($5)
    or row.expires_at < clock_timestamp() - make_interval(secs => $4)`

export async function findSuspects({ database }: Controller, host: string, inventory: VmInventory): Promise<Suspects> {
  const states = new Map<string, string>(inventory.lost.map(({ id }) => [id, 'none']))
  for (const { id, state } of inventory.vms) states.set(id, state)
  const { rows } = await database.pool.query<Found>({
    name: 'find_suspects',
    text: FIND,
    values: [host, [...states.keys()], [...states.values()], LIMITS.expiryGraceMs / 1_000, AGREED],
  })
  return {
    holdings: rows.filter((row) => row.id !== null),
    rowless: rows.flatMap((row) => (row.id === null ? [row.there] : [])),
  }
}
