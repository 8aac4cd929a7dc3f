/** What follows from an attempt. Pure: chance enters as a number from 0 to 1. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Attempt } from './send-delivery.ts'

export type Verdict =
  | { kind: 'delivered'; status: number }
  | { kind: 'again'; afterMs: number; status: number | null; error: string | null }
  | { kind: 'dead'; status: number | null; error: string | null }
  /** As if it had never been tried. */
  | { kind: 'untried' }

const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** `attempts` counts this one. */
export function decideDelivery(attempt: Attempt, attempts: number, retryCount: number, chance: number): Verdict {
  if (attempt.kind === 'broken_off') return { kind: 'untried' }
  if (attempt.kind === 'answered' && isSuccess(attempt.status)) return { kind: 'delivered', status: attempt.status }
  const status = attempt.kind === 'answered' ? attempt.status : null
  const error = attempt.kind === 'answered' ? `The answer was ${attempt.status}.` : attempt.error
  if (attempts > retryCount) return { kind: 'dead', status, error }
  return { kind: 'again', afterMs: delayOf(attempts, chance), status, error }
}

/** 5 s, 10 s, 20 s, ... up to an hour, each between half of it and all of it, so that those who failed together do not return together. */
export function delayOf(attempts: number, chance: number): number {
  const whole = Math.min(LIMITS.webhookRetryMs * 2 ** (attempts - 1), LIMITS.webhookRetryMsMax)
  return Math.round(whole * (0.5 + chance / 2))
}
