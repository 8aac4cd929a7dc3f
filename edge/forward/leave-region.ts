/**
 * From a region that a request was sent to, on to the next one. What the first region may have made is given up there, which is written
 * down before anything is made elsewhere; so whatever crashes, at most one sandbox stays.
 */
import type { Region } from '../../shared/regions.ts'
import { outcomeOf } from '../failover/outcome.ts'
import { abandonAttempt, type RequestKey } from '../idempotency/request-key.ts'
import type { Visit } from '../requests/visit.ts'
import type { Sent } from './send-once.ts'
import type { Astray } from './send-with-key.ts'

export type Left = { region: Region; sent: Sent }

/** `stay`: it could not be written down, or the sandbox may already be somebody's. */
export async function leaveRegion(
  visit: Visit,
  key: RequestKey | null,
  { region, sent }: Left,
  to: Region,
  over: AbortSignal,
): Promise<{ kind: 'left' } | { kind: 'stay' } | Astray> {
  if (key !== null) {
    const moved = await key.move(region.code, to.code)
    if (moved.kind === 'elsewhere') return { kind: 'astray', key, to: moved }
    return { kind: moved.kind === 'moved' ? 'left' : 'stay' }
  }
  // Nobody else has the key of such a request, and the region's word is that it did nothing.
  if (outcomeOf(sent.attempt) === 'not-executed') return { kind: 'left' }
  if (sent.idempotencyKey === null) return { kind: 'stay' }
  const attempt = { from: region.code, edgeKey: sent.idempotencyKey, owner: to.code }
  return { kind: (await abandonAttempt(visit, over, attempt)) ? 'left' : 'stay' }
}
