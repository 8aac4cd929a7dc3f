/**
 * What became of one attempt.
 *
 *   not-executed   the region said so, or Cloudflare never reached it, or the breaker kept the request here
 *   ambiguous      it may have been executed: connection lost, no answer in time, a gateway's word instead of the region's
 *   final          the region answered
 *
 * workerd throws the same error for a refused connection and for a reset after the body, so a lost connection is ambiguous.
 */
export type Attempt =
  | { kind: 'answer'; status: number; isFromOrigin: boolean; saysNotExecuted: boolean }
  | { kind: 'lost' }
  | { kind: 'timeout' }
  | { kind: 'kept-back' }

export type Outcome = 'not-executed' | 'ambiguous' | 'final'

/** Cloudflare's own: server down, unreachable, TLS failures, no such host. The request was not delivered. */
const NOT_DELIVERED: ReadonlySet<number> = new Set([521, 523, 525, 526, 530])

export function outcomeOf(attempt: Attempt): Outcome {
  if (attempt.kind === 'kept-back') return 'not-executed'
  if (attempt.kind !== 'answer') return 'ambiguous'
  if (attempt.status < 500) return 'final'
  if (attempt.isFromOrigin) return attempt.saysNotExecuted ? 'not-executed' : 'final'
  return NOT_DELIVERED.has(attempt.status) ? 'not-executed' : 'ambiguous'
}

/** Of what is not final: the region refused in its own words, which cost it nothing. */
export const isRefusal = (attempt: Attempt): boolean => attempt.kind === 'answer' && attempt.isFromOrigin

/** Whether the attempt speaks against the region's health. A region that refuses in its own words is well. */
export function isFailure(attempt: Attempt): boolean {
  if (attempt.kind === 'kept-back') return false
  if (attempt.kind !== 'answer') return true
  return attempt.status >= 500 && !attempt.isFromOrigin
}
