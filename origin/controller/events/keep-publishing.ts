/** The turns in which events are given their places and told to those who follow, and in which streams are ended that must end. */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { publishWaiting } from './publish.ts'

export function keepPublishing(controller: Controller): Repeating[] {
  const { database, events, log, isDraining } = controller
  const publishing = repeat(
    LIMITS.eventPollMs,
    log,
    'events.publish_failed',
    async () => {
      if ((await publishWaiting(controller)) > 0) events.due()
      await events.tail.read()
    },
    LIMITS.eventGatherMs,
  )
  events.written = publishing.soon
  return [
    publishing,
    repeat(LIMITS.eventStandingMs, log, 'events.standing_failed', () => events.streams.endRevoked(database.db)),
    // By itself, so that a database that hangs does not keep the readers from going elsewhere.
    repeat(LIMITS.eventPollMs, log, 'events.drain_failed', async () => {
      if (isDraining()) events.streams.endAll(drained())
    }),
  ]
}

export const drained = (): AppError =>
  new AppError('draining', 'This server is about to stop; go on from the last id that you have.')
