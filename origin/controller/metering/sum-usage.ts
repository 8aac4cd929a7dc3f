/**
 * The one statement that adds up usage: intervals are cut at the edges of what is asked for, at every change of a rate and, when days
 * are asked for, at every midnight; what is in a piece is added up in whole milliseconds of units, and priced by the rate of its day.
 *
 *   opened_at            midnight    now, or closed_at
 *      |--------------------|-----------|              width_bucket() finds the pieces without a join
 *
 * An interval that is still open ends now, but not after the sandbox's time was over, and not after its host was last heard of: what
 * the meter will be closed at. Rows come in descending order of their ids, which every region makes alike, so that the edge can join
 * the rows of several regions into one list.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { UsageGroup } from '../../../shared/contracts/usage.ts'
import type { Db } from '../database/connect.ts'
import type { Reach } from '../sandboxes/find-sandbox.ts'
import type { Period } from './period.ts'

/** Milliseconds, and milliseconds times units. */
export type Sums = {
  running: number
  paused: number
  vcpu: number
  memoryMib: number
  pausedMemoryMib: number
  diskMib: number
  cost: number
}
export type SumRow = Sums & { id: string; key: string | null }

/** What rows are made by: null makes one row of all. */
export type Grouping = UsageGroup | null
export type SumRequest = {
  reach: Reach
  period: Period
  region: string
  grouping: Grouping
  /** Only rows whose id is below it. */
  before?: string | undefined
  limit: number
}

/** By what a row is one, as text. Null is what belongs to nobody. */
const KEYS: Record<UsageGroup, SQL> = {
  day: sql`to_char(bounds[n] at time zone 'UTC', 'YYYY-MM-DD')`,
  sandbox: sql`sandbox`,
  workspace: sql`workspace`,
  external_user: sql`external_user`,
}

/** The same key in two regions is two rows. A user's name may be any text, and only plain text has one order everywhere. */
const idOf = (grouping: Grouping, region: string): SQL => {
  if (grouping === 'sandbox') return sql`key`
  const key = grouping === 'external_user' ? sql`encode(convert_to(key, 'UTF8'), 'hex')` : sql`key`
  return sql`coalesce(${key}, 'none') || '.' || ${region}::text`
}

const MIB_MS_PER_GIB_HOUR = sql`(3600000::numeric * 1024)`

export async function sumUsage(db: Db, request: SumRequest): Promise<SumRow[]> {
  const { reach, period, region, grouping, before, limit } = request
  const from = sql`${period.from.toISOString()}::timestamptz`
  const to = sql`${period.to.toISOString()}::timestamptz`
  const midnights = sql`union select generate_series(
    (date_trunc('day', ${from} at time zone 'UTC') + interval '1 day') at time zone 'UTC', ${to}, interval '24 hours')`
  const { rows } = await db.execute<Record<string, string | null>>(sql`
    with bound as (
      select array_agg(at order by at) as bounds from (
        select ${from} as at union select ${to}
        union select since::timestamp at time zone 'UTC' from rate
        ${grouping === 'day' ? midnights : sql``}
      ) as points where at between ${from} and ${to}
    ), heard as materialized (
      select id, metered_until(id, now()) as until from host
    ), metered as (
      select u.sandbox, u.workspace, u.external_user, u.state, u.vcpus, u.memory_mib, u.disk_mib,
        greatest(u.opened_at, ${from}) as began,
        least(coalesce(u.closed_at, least(now(), heard.until, s.expires_at)), ${to}) as ended
      from usage_interval u
        left join sandbox s on u.closed_at is null and s.id = u.sandbox
        left join heard on heard.id = s.host
      where ${reaching(reach)} and u.opened_at < ${to} and coalesce(u.closed_at, 'infinity') > ${from}
    ), part as (
      select ${grouping === null ? sql`null::text` : KEYS[grouping]} as key, bounds[n] as at, state, vcpus, memory_mib, disk_mib,
        (extract(epoch from least(ended, bounds[n + 1]) - greatest(began, bounds[n])) * 1000)::bigint as ms
      from metered, bound, generate_series(width_bucket(began, bounds), width_bucket(ended - interval '1 microsecond', bounds)) as n
      where ended > began
    ), piece as (
      select key, at,
        coalesce(sum(ms) filter (where state = 'running'), 0) as running,
        coalesce(sum(ms) filter (where state = 'paused'), 0) as paused,
        coalesce(sum(ms * vcpus) filter (where state = 'running'), 0) as vcpu,
        coalesce(sum(ms * memory_mib) filter (where state = 'running'), 0) as memory,
        coalesce(sum(ms * memory_mib) filter (where state = 'paused'), 0) as paused_memory,
        sum(ms * disk_mib) as disk
      from part group by key, at
    ), total as (
      select key, sum(running) as running, sum(paused) as paused, sum(vcpu) as vcpu, sum(memory) as memory,
        sum(paused_memory) as paused_memory, sum(disk) as disk,
        coalesce(sum(vcpu * 1024 * r.vcpu_rate + memory * r.memory_gib + paused_memory * r.paused_memory_gib + disk * r.disk_gib), 0) as hours
      from piece left join lateral (
        select rate.vcpu as vcpu_rate, memory_gib, paused_memory_gib, disk_gib from rate
        where since <= (piece.at at time zone 'UTC')::date order by since desc limit 1
      ) r on true
      group by key
    )
    select * from (
      select ${idOf(grouping, region)} collate "C" as id, key, running, paused, vcpu, memory, paused_memory, disk,
        round(hours / ${MIB_MS_PER_GIB_HOUR}, 6) as cost
      from total
    ) as row
    ${before === undefined ? sql`` : sql`where id < ${before}`}
    order by id desc limit ${limit}`)
  return rows.map(toSums)
}

const reaching = ({ tenant, externalUser, sandbox }: Reach): SQL =>
  sql.join(
    [
      sql`u.tenant = ${tenant}`,
      ...(externalUser === null ? [] : [sql`u.external_user = ${externalUser}`]),
      ...(sandbox === null ? [] : [sql`u.sandbox = ${sandbox}`]),
    ],
    sql` and `,
  )

/** The driver gives numbers of this size as text. */
const toSums = (row: Record<string, string | null>): SumRow => ({
  id: row.id ?? '',
  key: row.key ?? null,
  running: Number(row.running),
  paused: Number(row.paused),
  vcpu: Number(row.vcpu),
  memoryMib: Number(row.memory),
  pausedMemoryMib: Number(row.paused_memory),
  diskMib: Number(row.disk),
  cost: Number(row.cost),
})
