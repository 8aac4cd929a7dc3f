/**
 * The region's own row of a tenant's share: the only judge of a create. Each deed here is one statement, so a crash falls between
 * two of them and never inside one. Why their order is safe is told in shared/contracts/quota.ts.
 */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { QuotaRow } from '../../../shared/contracts/quota.ts'
import type { Db } from '../database/connect.ts'

const number = z.coerce.number()
const rowSchema = z.object({ granted: number, used: number, epoch: number })
const begunSchema = rowSchema.extend({ turn: z.string(), tier: z.string(), limit: number, limit_version: number })
export type Begun = z.infer<typeof begunSchema>
export type Grant = { granted: number; used: number }

/** `turn` is what an earlier try of the same exchange was given; with it, nobody else's turn is waited for. */
export type Beginning = { floor: number; keep: number | null; turn: string | null; turnMs: number }

/**
 * Draws an epoch above `floor` and above the last one, so that no answer to an older question can be applied any more. With `keep`
 * the row is lowered to what is used and that many more. `busy` when another controller of the region has its turn: it is left to
 * it for so long, because two that overtake each other get nothing written down. Undefined when there is no such tenant here.
 */
export async function beginExchange(
  db: Db,
  tenant: string,
  { floor, keep, turn, turnMs }: Beginning,
): Promise<Begun | 'busy' | undefined> {
  const { rows } = await db.execute(sql`
    with known as (
      select t.id, r.name as tier, r.concurrency, greatest(t.version, r.version) as version
      from tenant t join tier r on r.name = t.tier where t.id = ${tenant}
    )
    insert into quota_grant as q (tenant, granted, epoch, asking_until)
    select id, 0, ${floor}::bigint + 1, clock_timestamp() + make_interval(secs => ${turnMs / 1_000}) from known
    on conflict (tenant) do update set
      epoch = greatest(q.epoch, ${floor}::bigint) + 1,
      granted = least(q.granted, coalesce(q.used + ${keep}::integer, q.granted)),
      asking_until = excluded.asking_until
    where q.asking_until <= clock_timestamp() or q.asking_until = ${turn}::timestamptz
    returning q.granted, q.used, q.epoch, q.asking_until::text as turn, (select tier from known) as tier,
      (select concurrency from known) as limit, (select version from known) as limit_version`)
  if (rows[0] !== undefined) return begunSchema.parse(rows[0])
  return (await readGrant(db, tenant)) === undefined ? undefined : 'busy'
}

/** Lets the next controller ask, after an exchange that came to nothing. */
export async function endTurn(db: Db, tenant: string, turn: string): Promise<void> {
  await db.execute(sql`
    update quota_grant set asking_until = '-infinity' where tenant = ${tenant} and asking_until = ${turn}::timestamptz`)
}

/** Undefined when the epoch is another by now: the answer is late, and nothing was written. A row with nothing in it is due no more. */
export async function applyShare(
  db: Db,
  tenant: string,
  share: { epoch: number; granted: number; limitVersion: number },
): Promise<Grant | undefined> {
  const { rows } = await db.execute(sql`
    update quota_grant set granted = ${share.granted}, limit_version = ${share.limitVersion}, asking_until = '-infinity',
      reported_at = case when ${share.granted}::integer = 0 and used = 0 then 'infinity' else clock_timestamp() end
    where tenant = ${tenant} and epoch = ${share.epoch}
    returning granted, used, epoch`)
  return rows[0] === undefined ? undefined : rowSchema.parse(rows[0])
}

export async function readGrant(db: Db, tenant: string): Promise<Grant | undefined> {
  const { rows } = await db.execute(sql`select granted, used, epoch from quota_grant where tenant = ${tenant}`)
  return rows[0] === undefined ? undefined : rowSchema.parse(rows[0])
}

/** Gives back half of what is not used, or all that is needed of it. The next report comes soon, in case this answer is lost. */
export async function lowerIdle(db: Db, tenant: string, need: number): Promise<QuotaRow> {
  const lowered = await db.execute(sql`
    update quota_grant set granted = granted - least(granted - used, greatest(${need}::integer, (granted - used + 1) / 2)),
      epoch = epoch + 1, reported_at = '-infinity'
    where tenant = ${tenant} and granted > used
    returning granted, used, epoch`)
  if (lowered.rows[0] !== undefined) return { ...rowSchema.parse(lowered.rows[0]), lowered: true }
  const { rows } = await db.execute(sql`select granted, used, epoch from quota_grant where tenant = ${tenant}`)
  return { ...(rows[0] === undefined ? { granted: 0, used: 0, epoch: 0 } : rowSchema.parse(rows[0])), lowered: false }
}

/**
 * Gives up every share of the region, and draws epochs by the clock: a database that was restored from a backup would draw such as
 * were drawn before.
 */
export async function forfeitShares(db: Db): Promise<void> {
  await db.execute(sql`
    update quota_grant set granted = 0, reported_at = '-infinity', asking_until = '-infinity',
      epoch = greatest(epoch + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint)
    where granted > 0 or asking_until > '-infinity'`)
}

const dueSchema = z.object({ tenant: z.string(), limit: number, is_active: z.boolean() })
export type Due = z.infer<typeof dueSchema>

/**
 * The tenants of whom nothing was reported for long, and those whose limit is a new one. Active is who made a sandbox lately: they
 * keep some slots in hand.
 */
export async function listDue(db: Db, within: { reportMs: number; idleMs: number; rowsMax: number }): Promise<Due[]> {
  const { rows } = await db.execute(sql`
    with due as (
      (select tenant from quota_grant
       where reported_at < clock_timestamp() - make_interval(secs => ${within.reportMs / 1_000})
       order by reported_at limit ${within.rowsMax})
      union
      (select q.tenant from quota_grant q join tenant t on t.id = q.tenant join tier r on r.name = t.tier
       where q.granted > 0 and q.limit_version <> greatest(t.version, r.version) limit ${within.rowsMax})
    )
    select due.tenant, r.concurrency as limit,
      coalesce(greatest(
        (select created_at from sandbox s where s.tenant = due.tenant and state <> 'destroyed' order by id desc limit 1),
        (select created_at from sandbox s where s.tenant = due.tenant and state = 'destroyed' order by id desc limit 1)
      ) > clock_timestamp() - make_interval(secs => ${within.idleMs / 1_000}), false) as is_active
    from due join tenant t on t.id = due.tenant join tier r on r.name = t.tier`)
  return rows.map((row) => dueSchema.parse(row))
}

/** For a region without an authority: the tenants whose limit was lowered. One that was raised is found when it is needed. */
export async function listOverLimit(db: Db, rowsMax: number): Promise<string[]> {
  const { rows } = await db.execute(sql`
    select q.tenant from quota_grant q join tenant t on t.id = q.tenant join tier r on r.name = t.tier
    where q.granted > r.concurrency limit ${rowsMax}`)
  return rows.map((row) => z.object({ tenant: z.string() }).parse(row).tenant)
}
