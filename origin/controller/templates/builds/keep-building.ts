/**
 * The builds that this controller works on. It takes what waits, and what was left by a controller that died, as long as it has room; of two
 * that take the same one, the row decides.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { and, asc, eq, inArray, notInArray, or, sql } from 'drizzle-orm'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Controller } from '../../controller.ts'
import { type BuildRow, templateBuild } from '../../database/schema/templates.ts'
import { describeError } from '../../log.ts'
import { type Repeating, repeat } from '../../repeat.ts'
import { ACTIVE_STATES } from './build-life.ts'
import { moveBuild } from './move-build.ts'
import { runBuild } from './run-build.ts'

const MS_PER_SEC = 1_000

export function keepBuilding(controller: Controller): Repeating {
  const stopping = new AbortController()
  const going = new Map<string, Promise<void>>()

  const begin = async (row: BuildRow): Promise<void> => {
    const claimed = await claim(controller, row)
    if (claimed === undefined) return
    const run = runBuild(controller, claimed, stopping.signal)
      .catch((err: unknown) => controller.log('warn', 'build.failed', { build: row.id, error: describeError(err) }))
      .finally(() => going.delete(row.id))
    going.set(row.id, run)
  }
  const looking = repeat(LIMITS.buildsLookMs, controller.log, 'builds.look_failed', async () => {
    const room = LIMITS.buildsAtOnceMax - going.size
    if (room <= 0 || controller.isDraining()) return
    for (const row of await findDue(controller, [...going.keys()], room)) await begin(row)
  })
  return {
    ...looking,
    async stop() {
      stopping.abort()
      await looking.stop()
      const patience = new AbortController()
      const late = sleep(LIMITS.drainMs, undefined, { signal: patience.signal }).catch(() => {})
      await Promise.race([Promise.all(going.values()), late])
      patience.abort()
    },
  }
}

/** Undefined when another controller was first. */
const claim = ({ database, instance, clock }: Controller, row: BuildRow): Promise<BuildRow | undefined> =>
  moveBuild(database.db, row, row.state === 'queued' ? 'begin' : 'again', {
    instance: instance.number,
    attempts: row.attempts + 1,
    startedAt: row.startedAt ?? new Date(clock()),
  })

/** Oldest first, and of each tenant no more than it may have at a time, which several controllers may overstep by as many as they are. */
async function findDue({ database: { db }, instance }: Controller, mine: string[], limit: number): Promise<BuildRow[]> {
  const { state, id, tenant, changedAt } = templateBuild
  const grace = sql`${changedAt} < clock_timestamp() - make_interval(secs => ${LIMITS.instanceGraceMs / MS_PER_SEC})`
  const isLeft = sql`(${eq(templateBuild.instance, instance.number)} or not instance_alive(${templateBuild.instance}))`
  const atOnce = sql`(select count(*) from template_build as other where other.tenant = ${tenant}
    and ${inArray(sql`other.state`, ACTIVE_STATES)}) < ${LIMITS.buildsPerTenantAtOnceMax}`
  const due = await db
    .select()
    .from(templateBuild)
    .where(
      and(
        mine.length === 0 ? undefined : notInArray(id, mine),
        or(and(eq(state, 'queued'), atOnce), and(inArray(state, ACTIVE_STATES), grace, isLeft)),
      ),
    )
    .orderBy(asc(id))
    .limit(limit)
  return fairly(due)
}

/** Of those that wait, one of each tenant at a time: the next look counts again. Pure. */
export function fairly(due: BuildRow[]): BuildRow[] {
  const seen = new Set<string>()
  return due.filter(({ state, tenant }) => {
    if (state !== 'queued') return true
    const isFirst = !seen.has(tenant)
    seen.add(tenant)
    return isFirst
  })
}
