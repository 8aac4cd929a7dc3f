/**
 * The sandboxes of a host that is lost or was removed become errors: their slots and their room are free, their meters end, at what the
 * host was last heard of when that was long ago. If the machines still run somewhere, they have no row any more, and the reconciler ends
 * them when the host is back. So nothing ever runs twice.
 *
 * What is paused may be on the disk of a host that is only silent, and comes back with it; it has no slot to free. So it is given up
 * only with a host that was removed.
 */
import { and, eq, isNull, notInArray } from 'drizzle-orm'
import { ENDED, type SandboxState } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { moveSandbox, releaseRoom } from '../sandboxes/move-sandbox.ts'

const SPARED = { lost: ['paused'], removed: [] } as const satisfies Record<string, SandboxState[]>

/** How many were given up. Safe to repeat; a row that changes meanwhile is left for the next time. */
export async function giveUpSandboxes(
  controller: Controller,
  host: string,
  fate: keyof typeof SPARED,
): Promise<number> {
  const { db } = controller.database
  const lastError = `The host of this sandbox was ${fate}.`
  const held = await db
    .select({ id: sandbox.id, state: sandbox.state, revision: sandbox.revision })
    .from(sandbox)
    .where(and(eq(sandbox.host, host), isNull(sandbox.releasedAt), notInArray(sandbox.state, [...SPARED[fate]])))
    .limit(LIMITS.reconcileRowsMax)
  for (const { id, state, revision } of held) {
    if (ENDED.has(state)) await releaseRoom(db, id)
    else await moveSandbox(db, id, 'fail', { revision, lastError, isGone: true })
    controller.metrics.mends.inc({ kind: 'give_up' })
  }
  if (held.length > 0) controller.log('warn', 'host.sandboxes_given_up', { host, count: held.length, why: lastError })
  return held.length
}
