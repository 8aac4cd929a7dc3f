/** Looks at every space that is not frozen: freezes what nobody uses, and finishes what a controller that died has left. The leader's work. */
import { eq, ne, sql } from 'drizzle-orm'
import type { SandboxState } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { type SpaceRow, space } from '../database/schema/spaces.ts'
import { describeError } from '../log.ts'
import { discardSnapshot } from '../snapshots/discard-snapshot.ts'
import { decideSpace, type SpaceDeed } from './decide-space.ts'
import { freezeSpace, stayOpen } from './freeze-space.ts'
import { moveSpace } from './move-space.ts'

type Awake = {
  row: SpaceRow
  sandboxState: SandboxState | null
  lastError: string | null
  pausedMs: number
  ageMs: number
  isOwnerAlive: boolean
}

/** `rowsMax` is how many it looks at. */
export async function settleSpaces(controller: Controller, rowsMax: number = LIMITS.reconcileRowsMax): Promise<void> {
  const due = (await readAwake(controller, rowsMax)).flatMap((one) => {
    const deed = controller.inFlight.has(one.row.id) ? 'leave' : decideSpace(findingOf(controller, one))
    return deed === 'leave' ? [] : [{ one, deed }]
  })
  for (let from = 0; from < due.length && !controller.isDraining(); from += LIMITS.spacesAtOnceMax)
    await Promise.all(
      due.slice(from, from + LIMITS.spacesAtOnceMax).map(({ one, deed }) => settle(controller, one, deed)),
    )
}

/** Drawn by chance when there are many: those of which nothing is due keep none of the others from it. */
const readAwake = ({ database }: Controller, rowsMax: number): Promise<Awake[]> =>
  database.db
    .select({
      row: space,
      sandboxState: sandbox.state,
      lastError: sandbox.lastError,
      pausedMs: sql`coalesce(extract(epoch from clock_timestamp() - ${sandbox.changedAt}) * 1000, 0)`.mapWith(Number),
      ageMs: sql`extract(epoch from clock_timestamp() - ${space.changedAt}) * 1000`.mapWith(Number),
      isOwnerAlive: sql<boolean>`${space.state} = 'open' or instance_alive(${space.instance})`,
    })
    .from(space)
    .leftJoin(sandbox, eq(sandbox.id, space.sandbox))
    .where(ne(space.state, 'frozen'))
    .orderBy(sql`random()`)
    .limit(rowsMax)

function findingOf({ instance }: Controller, { row, sandboxState, pausedMs, ageMs, isOwnerAlive }: Awake) {
  const isOurs = row.instance === instance.number
  return {
    state: row.state,
    sandbox: sandboxState ?? ('none' as const),
    isOrphan: ageMs > LIMITS.createStaleMs * 2 || ((isOurs || !isOwnerAlive) && ageMs > LIMITS.instanceGraceMs),
    isIdle: pausedMs > LIMITS.spacePausedMs,
  }
}

async function settle(controller: Controller, { row, lastError }: Awake, deed: SpaceDeed): Promise<void> {
  const { database, metrics, log } = controller
  metrics.mends.inc({ kind: `space_${deed}` })
  log('info', 'reconcile.space', { space: row.id, state: row.state, deed })
  try {
    switch (deed) {
      case 'leave':
        return
      case 'opened':
        await moveSpace(database.db, row, 'opened', { openedAt: new Date(controller.clock()), lastError: null })
        return
      case 'failed':
        await moveSpace(database.db, row, 'failed', { sandbox: null, lastError })
        return
      case 'freeze':
        await freezeSpace(controller, row)
        return
      case 'stay_open':
        await stayOpen(controller, row)
        return
      case 'ended':
        await moveSpace(database.db, row, 'ended', { sandbox: null, nextSnapshot: null, lastError })
        if (row.nextSnapshot !== null) await discardSnapshot(controller, row.nextSnapshot)
    }
  } catch (err) {
    // One that cannot be settled now must not keep the others from it.
    log('warn', 'reconcile.space_failed', { space: row.id, deed, error: describeError(err) })
  }
}
