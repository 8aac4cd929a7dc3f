/**
 * Makes the meters agree with the rows of sandboxes: none goes on for what has ended, none is missing for what runs or is paused.
 *
 * The trigger keeps them in the transaction that changes a sandbox, so there should never be anything to mend; what has been restored,
 * repaired by hand, or was there before the meter is made right here, and counted. Both statements see a row and its meter as of one
 * moment, and both are guarded against what happens meanwhile.
 */
import { sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'

export type MendedMeters = { closed: number; opened: number }

/** A bounded number at a time. Safe to repeat, and beside any request. */
export async function mendMeters({ database: { db }, log, metrics }: Controller): Promise<MendedMeters> {
  const mended = { closed: await closeStrays(db), opened: await openMissing(db) }
  metrics.mends.inc({ kind: 'meter_closed' }, mended.closed)
  metrics.mends.inc({ kind: 'meter_opened' }, mended.opened)
  if (mended.closed > 0 || mended.opened > 0) log('warn', 'reconcile.meters', mended)
  return mended
}

/** Of a sandbox that is forgotten, its last event is the last that is known. */
async function closeStrays(db: Db): Promise<number> {
  const { rowCount } = await db.execute(sql`
    with stray as (
      select u.id, coalesce(s.destroyed_at, s.changed_at, (select max(ts) from event where sandbox = u.sandbox)) as ended
      from usage_interval u left join sandbox s on s.id = u.sandbox
      where u.closed_at is null and metered_as(s.state) is distinct from u.state
      limit ${LIMITS.reconcileRowsMax}
    )
    update usage_interval u set closed_at = greatest(u.opened_at, stray.ended)
    from stray where stray.id = u.id and u.closed_at is null`)
  return rowCount ?? 0
}

async function openMissing(db: Db): Promise<number> {
  const { rowCount } = await db.execute(sql`
    insert into usage_interval (sandbox, tenant, workspace, external_user, state, vcpus, memory_mib, disk_mib, opened_at)
    select s.id, s.tenant, s.workspace, s.external_user_id, metered_as(s.state), s.vcpus, s.memory_mib, s.disk_mib,
      greatest(s.changed_at, (select closed_at from usage_interval u where u.sandbox = s.id order by u.id desc limit 1))
    from sandbox s
    where s.released_at is null and metered_as(s.state) is not null
      and not exists (select from usage_interval u where u.sandbox = s.id and u.closed_at is null)
    limit ${LIMITS.reconcileRowsMax}
    on conflict (sandbox) where closed_at is null do nothing`)
  return rowCount ?? 0
}
