/** Carries a build through to its end, over as many attempts as it may have, and writes down what became of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Controller } from '../../controller.ts'
import type { BuildRow } from '../../database/schema/templates.ts'
import { describeError } from '../../log.ts'
import { openBuildLog } from './build-log.ts'
import { buildOnce } from './build-once.ts'
import { clearEnded } from './clear-ended.ts'
import { BuildFailure, Interrupted, Overtaken, Stopped } from './trouble.ts'
import { watchBuild } from './watch-build.ts'
import { createWork, type Work } from './work.ts'

/** `claimed` is ours to work on. Resolves when the work is over; throws what could not be written down. */
export async function runBuild(controller: Controller, claimed: BuildRow, stopping: AbortSignal): Promise<void> {
  const log = await openBuildLog(controller, claimed.id)
  const watch = watchBuild(controller, claimed, stopping)
  const work = createWork(controller, claimed, log, watch.signal)
  try {
    if (claimed.attempts > 1) log.add('system', null, ['The build is gone on with in another sandbox.'])
    while (await tryOnce(work));
  } catch (thrown) {
    if (!(thrown instanceof Overtaken)) throw thrown
  } finally {
    await watch.stop()
    await log.close()
    await clearEnded(controller, claimed.id)
  }
}

/** Whether it is to be tried once more. */
async function tryOnce(work: Work): Promise<boolean> {
  const { controller, signal, row } = work
  try {
    await buildOnce(work)
    return false
  } catch (thrown) {
    // Why the work was ended comes before what became of it through that.
    const reason: unknown = signal.aborted ? signal.reason : thrown
    controller.log('info', 'build.stopped', { build: row.id, error: describeError(reason) })
    if (reason instanceof Overtaken || reason instanceof Stopped) return false
    if (!(reason instanceof BuildFailure) && work.row.attempts < LIMITS.buildAttemptsMax)
      return beginAgain(work, reason)
    await fail(work, reason)
    return false
  }
}

async function beginAgain(work: Work, reason: unknown): Promise<boolean> {
  work.log.add('system', null, [`Interrupted: ${wordsOf(reason)}`])
  await sleep(LIMITS.buildRoomRetryMs, undefined, { signal: work.signal }).catch(() => {})
  await work.move('again', { attempts: work.row.attempts + 1 })
  return !work.signal.aborted
}

async function fail(work: Work, reason: unknown): Promise<void> {
  const { error } =
    reason instanceof BuildFailure
      ? reason
      : new BuildFailure({ code: 'interrupted', message: `The build was interrupted too often: ${wordsOf(reason)}` })
  work.log.add('system', error.step, [error.message])
  await work.move('fail', { error })
}

/** Nothing internal: what is not meant for callers has no words for them. */
const wordsOf = (reason: unknown): string =>
  reason instanceof AppError || reason instanceof Interrupted ? reason.message : 'something went wrong on our side.'
