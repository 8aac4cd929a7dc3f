/** What a host's row says of it, in one word. Pure. */
import type { HostState } from '../../../shared/contracts/hosts.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { host } from '../database/schema/hosts.ts'

export type HostFacts = Pick<
  typeof host.$inferSelect,
  'accepting' | 'draining' | 'cordoned' | 'drainStartedAt' | 'offeredVms' | 'reservedVms'
>

export function hostState(facts: HostFacts, silentMs: number, goneAfterMs: number): HostState {
  if (silentMs >= goneAfterMs) return 'lost'
  if (silentMs >= LIMITS.hostLostAfterMs) return 'silent'
  if (facts.drainStartedAt !== null || facts.draining) return facts.reservedVms > 0 ? 'draining' : 'drained'
  if (facts.cordoned) return 'cordoned'
  if (facts.offeredVms === 0) return 'joining'
  return facts.accepting ? 'ready' : 'full'
}
