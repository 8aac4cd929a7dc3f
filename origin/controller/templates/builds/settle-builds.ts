/** Ends what builds have left that their controllers did not live to end, and steps that nobody goes on from any more. The leader's work. */
import { and, asc, eq, gt, inArray, isNotNull, isNull, lt, not, or, type SQL, sql } from 'drizzle-orm'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Controller } from '../../controller.ts'
import { snapshot } from '../../database/schema/snapshots.ts'
import { type StepRow, templateBuild, templateStep } from '../../database/schema/templates.ts'
import { describeError } from '../../log.ts'
import { clearEnded } from './clear-ended.ts'
import { forgetKept } from './kept-steps.ts'

const MS_PER_SEC = 1_000

export async function settleBuilds(controller: Controller): Promise<void> {
  for (const { id } of await readLeft(controller)) await tryTo(controller, id, () => clearEnded(controller, id))
  for (const step of await readUseless(controller))
    await tryTo(controller, step.snapshot, () => forgetKept(controller, step))
}

/** What cannot be ended now keeps nothing else from it. */
async function tryTo(controller: Controller, what: string, deed: () => Promise<void>): Promise<void> {
  if (controller.isDraining()) return
  await deed().catch((err: unknown) =>
    controller.log('warn', 'reconcile.build_failed', { what, error: describeError(err) }),
  )
}

const readLeft = ({ database }: Controller): Promise<{ id: string }[]> =>
  database.db
    .select({ id: templateBuild.id })
    .from(templateBuild)
    .where(
      and(
        inArray(templateBuild.state, ['ready', 'failed', 'cancelled']),
        or(isNotNull(templateBuild.sandbox), and(isNotNull(templateBuild.snapshot), isNull(templateBuild.version))),
        // Whoever has ended it clears it, too.
        lt(
          templateBuild.changedAt,
          sql`clock_timestamp() - make_interval(secs => ${LIMITS.instanceGraceMs / MS_PER_SEC})`,
        ),
      ),
    )
    .limit(LIMITS.buildsSettledMax)

/**
 * Unused for long, more than a tenant may have by number or by size, or without a snapshot that will ever be ready. The newest are the last to
 * go, and the newest of all stays however large it is: a build that is interrupted goes on from there.
 */
async function readUseless({ database: { db } }: Controller): Promise<Pick<StepRow, 'tenant' | 'key' | 'snapshot'>[]> {
  const { tenant, key, usedAt } = templateStep
  const newestFirst = sql`partition by ${tenant} order by ${usedAt} desc, ${key}`
  const before = sql`coalesce(sum(${snapshot.bytes}) over (${newestFirst} rows between unbounded preceding and 1 preceding), 0)`
  const ranked = db
    .select({
      tenant,
      key,
      usedAt,
      snapshot: templateStep.snapshot,
      isReady: sql<boolean>`coalesce(${snapshot.state} = 'ready', false)`.as('is_ready'),
      place: sql<number>`row_number() over (${newestFirst})`.as('place'),
      bytesBefore: sql<number>`${before}`.as('bytes_before'),
    })
    .from(templateStep)
    .leftJoin(snapshot, eq(snapshot.id, templateStep.snapshot))
    .as('ranked')
  const olderThan = (ms: number): SQL =>
    sql`${ranked.usedAt} < clock_timestamp() - make_interval(secs => ${ms / MS_PER_SEC})`
  return db
    .select({ tenant: ranked.tenant, key: ranked.key, snapshot: ranked.snapshot })
    .from(ranked)
    .where(
      or(
        olderThan(LIMITS.buildCacheUnusedMs),
        gt(ranked.place, LIMITS.buildCachePerTenantMax),
        gt(ranked.bytesBefore, LIMITS.buildCacheBytesPerTenantMax),
        and(olderThan(2 * LIMITS.hostCopyMs), not(ranked.isReady)),
      ),
    )
    .orderBy(asc(ranked.usedAt))
    .limit(LIMITS.buildsSettledMax)
}
