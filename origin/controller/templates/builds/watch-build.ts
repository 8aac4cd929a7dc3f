/** Says when the work on a build has to end: it was cancelled or taken over, its time is over, or this process is about to end. */
import { LIMITS } from '../../../../shared/limits.ts'
import type { Controller } from '../../controller.ts'
import type { BuildRow } from '../../database/schema/templates.ts'
import { repeat } from '../../repeat.ts'
import { isEnded } from './build-life.ts'
import { readBuild } from './find-build.ts'
import { BuildFailure, Overtaken, Stopped } from './trouble.ts'

const MS_PER_SEC = 1_000

export type BuildWatch = { signal: AbortSignal; stop(): Promise<void> }

export function watchBuild(controller: Controller, claimed: BuildRow, stopping: AbortSignal): BuildWatch {
  const ending = new AbortController()
  const spentMs = claimed.startedAt === null ? 0 : controller.clock() - claimed.startedAt.getTime()
  const limitMs = Math.min(claimed.principal.limits.maxTimeoutSec, LIMITS.buildSecMax) * MS_PER_SEC
  const timer = setTimeout(() => ending.abort(tooLong(limitMs)), Math.max(0, limitMs - spentMs))
  const stop = (): void => ending.abort(new Stopped('This process is about to end.'))
  stopping.addEventListener('abort', stop, { once: true })
  if (stopping.aborted) stop()
  const looking = repeat(LIMITS.buildWatchMs, controller.log, 'build.watch_failed', async () => {
    const now = await readBuild(controller.database.db, claimed.id)
    // When the work itself has ended it, nobody heeds this any more.
    if (now === undefined || isEnded(now.state) || now.instance !== claimed.instance)
      ending.abort(new Overtaken('The build was cancelled, or another controller works on it.'))
  })
  return {
    signal: ending.signal,
    async stop() {
      clearTimeout(timer)
      stopping.removeEventListener('abort', stop)
      await looking.stop()
    },
  }
}

const tooLong = (limitMs: number): BuildFailure =>
  new BuildFailure({ code: 'build_timeout', message: `The build took longer than ${limitMs / MS_PER_SEC} seconds.` })
