/** Which stretch of time is asked about. Pure. */
import type { UsagePeriod } from '../../../shared/contracts/usage.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

export type Period = { from: Date; to: Date }

const DAY_MS = 24 * 3_600_000

/** From the first day of this month until now, unless it is said otherwise. Throws invalid_request. */
export function periodOf(query: UsagePeriod, nowMs: number): Period {
  const to = query.to === undefined ? new Date(nowMs) : new Date(query.to)
  const from =
    query.from === undefined ? firstOfMonth(query.to === undefined ? nowMs : to.getTime() - 1) : new Date(query.from)
  if (from >= to) throw refused('from', 'must be before to')
  return { from, to }
}

/** By day there is a row a day, so the days are bounded. */
export function requireFewDays({ from, to }: Period): void {
  if (to.getTime() - from.getTime() > LIMITS.usageDaysMax * DAY_MS)
    throw refused('from', `must be at most ${LIMITS.usageDaysMax} days before to`)
}

const firstOfMonth = (ms: number): Date => {
  const day = new Date(ms)
  return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), 1))
}

const refused = (field: string, why: string): AppError =>
  new AppError('invalid_request', `These fields are not valid: ${field}.`, { details: { [field]: [why] } })
