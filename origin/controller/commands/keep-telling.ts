/** The turns in which what happened to commands is written, and in which processes are asked whether they have ended. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { lookAtAwaited } from './look-at-awaited.ts'

export const keepTelling = (controller: Controller): Repeating[] => [
  repeat(LIMITS.commandEventsMs, controller.log, 'commands.events_waiting', controller.commands.write),
  repeat(LIMITS.commandLookMs, controller.log, 'commands.look_failed', () => lookAtAwaited(controller)),
]
