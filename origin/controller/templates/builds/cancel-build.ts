/** Ends a build that is not ready yet. Whoever works on it hears of it within moments, and its sandbox ends with it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Controller } from '../../controller.ts'
import type { BuildRow } from '../../database/schema/templates.ts'
import { isEnded } from './build-life.ts'
import { noBuild, readBuild } from './find-build.ts'
import { moveBuild } from './move-build.ts'

/** One that has ended stays as it is. Throws state_conflict when it moves all the time. */
export async function cancelBuild({ database: { db } }: Controller, found: BuildRow): Promise<BuildRow> {
  let row = found
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    if (isEnded(row.state)) return row
    const cancelled = await moveBuild(db, row, 'cancel')
    if (cancelled !== undefined) return cancelled
    await sleep(LIMITS.rowPollMs)
    const again = await readBuild(db, row.id)
    if (again === undefined) throw noBuild()
    row = again
  }
  throw new AppError('state_conflict', 'The build moves all the time.', { retryAfterSec: 1 })
}
