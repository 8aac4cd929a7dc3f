/**
 * How long the edge waits for a region's first answer, retries included.
 *
 *   what the platform takes   25 s for a create, 10 s to read rows, 60 s otherwise; or the caller's X-Timeout-Ms, up to 60 s
 *   + the command's own time  its `timeout`, where the request runs one and answers at its end
 *   + the upload's time       what a slow sender takes for a body that is streamed
 *
 * Of an upload of any length no more is known than whether it moves: it has the platform's time since its last byte did.
 * A read is given up after half of its time and asked once more, unless the caller said how long it may take.
 * So a caller's X-Timeout-Ms never cuts a command off that was given longer: the command has a timeout of its own.
 */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { CallClass } from './classify-request.ts'

export type Waiting = {
  class: CallClass
  runsCommand: boolean
  readsRows: boolean
  /** X-Timeout-Ms, already parsed. */
  askedMs: number | null
  /** The body's `timeout`; null when the body does not say, undefined when the edge did not read it. */
  commandSec: number | null | undefined
  /** Zero when the body is in hand, or may have any length. */
  streamedBytesMax: number
}

const PLATFORM_MS: Record<CallClass, number> = {
  create: LIMITS.createDeadlineMs,
  'create-run': LIMITS.createDeadlineMs,
  list: LIMITS.listDeadlineMs,
  sum: LIMITS.listDeadlineMs,
  find: LIMITS.listDeadlineMs,
  home: LIMITS.requestDeadlineMsMax,
  read: LIMITS.requestDeadlineMsMax,
  change: LIMITS.requestDeadlineMsMax,
}

export function deadlineMs(waiting: Waiting): number {
  const platformMs = waiting.askedMs ?? (waiting.readsRows ? LIMITS.readDeadlineMs : PLATFORM_MS[waiting.class])
  const uploadMs = (waiting.streamedBytesMax / LIMITS.uploadBytesPerSecMin) * 1_000
  return Math.ceil(platformMs + commandMs(waiting) + uploadMs)
}

/** Of one attempt, where that is less than the whole; null where it is not. */
export const attemptMs = ({ askedMs, readsRows }: Waiting): number | null =>
  askedMs === null && readsRows ? LIMITS.readAttemptMs : null

function commandMs({ runsCommand, commandSec }: Waiting): number {
  if (!runsCommand) return 0
  const seconds = commandSec === undefined ? LIMITS.execTimeoutSecMax : (commandSec ?? LIMITS.execTimeoutSecDefault)
  return Math.min(Math.max(seconds, 0), LIMITS.execTimeoutSecMax) * 1_000
}

/** Throws invalid_header. More than the maximum counts as the maximum. */
export function parseTimeoutHeader(value: string | null): number | null {
  if (value === null) return null
  const asked = /^[0-9]{1,9}$/.test(value.trim()) ? Number(value) : 0
  if (asked > 0) return Math.min(asked, LIMITS.requestDeadlineMsMax)
  throw new AppError('invalid_header', 'X-Timeout-Ms must be a whole number of milliseconds above zero.')
}
