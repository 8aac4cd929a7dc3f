/** Which sandboxes go by less than what the accounts say of egress. */
import { sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'

/** `isReady`: it has a machine that can be told; else it is on its way to one. */
export type Stale = { id: string; host: string; isReady: boolean }

const IS_THERE = sql.raw(`state <> 'destroyed' and state <> 'error' and released_at is null`)

/** The last change. Whatever has a lower version can be seen, too, because accounts are written one after the other. */
export async function lastChange(db: Db): Promise<number> {
  const { rows } = await db.execute<{ last: string | null }>(sql`
    select greatest((select max(version) from egress_policy), (select max(version) from egress_rule),
      (select max(version) from egress_secret), (select max(version) from egress_binding)) as last`)
  return Number(rows[0]?.last ?? 0)
}

/**
 * Of the changes after `place`, at most `rowsMax`. A secret may be bound to any sandbox, so a change of one concerns all of its tenant's.
 * Drawn by chance when there are many: those that cannot be told now keep none of the others from it.
 */
export async function findStale(db: Db, place: number, rowsMax: number): Promise<Stale[]> {
  const { rows } = await db.execute<Stale>(sql`
    with changed as (
      select tenant, resource, max(version) as version from (
        select tenant, resource, version from egress_policy where version > ${place}
        union all select tenant, resource, version from egress_rule where version > ${place}
        union all select tenant, null, version from egress_secret where version > ${place}
        union all select tenant, resource, version from egress_binding where version > ${place}
      ) every_change group by tenant, resource
    )
    select s.id, s.host, s.state not in ('creating', 'provisioning') as "isReady"
    from changed cross join lateral (
      select id, host, state, egress_version from sandbox
      where tenant = changed.tenant and id = changed.resource and ${IS_THERE}
      union all
      select id, host, state, egress_version from sandbox
      where changed.resource is null and tenant = changed.tenant and ${IS_THERE}
    ) s
    group by s.id, s.host, s.state, s.egress_version having coalesce(s.egress_version, 0) < max(changed.version)
    order by s.state in ('creating', 'provisioning'), random() limit ${rowsMax}`)
  return rows
}

/** Once they are told: what they go by has everything up to this version that concerns them. */
export async function markSettled(db: Db, ids: readonly string[], version: number): Promise<void> {
  if (ids.length === 0) return
  await db.execute(sql`
    update sandbox set egress_version = greatest(coalesce(egress_version, 0), ${version}) where id = any(${sql.param(ids)}::text[])`)
}
