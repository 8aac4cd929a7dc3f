/**
 * Carries changes of where sandboxes may go to all that they concern, in this region: the leader's work, safe to break off anywhere.
 *
 * The place up to which all is settled goes on behind the changes by as long as a create may take that read what was said before the change;
 * so its sandbox is found, too.
 */

import { LIMITS } from '../../../shared/limits.ts'
import { readPlace, writePlace } from '../accounts/places.ts'
import type { Controller } from '../controller.ts'
import { describeError } from '../log.ts'
import { findStale, lastChange, markSettled, type Stale } from './find-stale.ts'
import { settleEgress } from './settle-egress.ts'

/** `rowsMax` is how many a turn takes. */
export function createSettling(
  controller: Controller,
  rowsMax: number = LIMITS.egressSettleRowsMax,
): () => Promise<void> {
  const { db } = controller.database
  let seen: { version: number; atMs: number }[] = []
  return async () => {
    const now = controller.clock()
    const place = await readPlace(db, 'egress')
    const last = await lastChange(db)
    if (last <= place) return
    if (last > (seen.at(-1)?.version ?? 0)) seen.push({ version: last, atMs: now })
    const stale = await findStale(db, place, rowsMax)
    const left = await settleAll(controller, stale, last)
    // As many as a turn takes may not be all.
    if (left > 0 || stale.length === rowsMax) return
    const old = seen.filter(({ atMs }) => now - atMs >= LIMITS.egressSettleLagMs)
    seen = seen.slice(old.length)
    const settled = old.at(-1)?.version
    if (settled !== undefined && settled > place) await writePlace(db, 'egress', settled)
  }
}

/** How many have still to be told. A host that hangs keeps no other one from it, and is asked once a turn. */
async function settleAll(controller: Controller, stale: readonly Stale[], version: number): Promise<number> {
  const byHost = [
    ...Map.groupBy(
      stale.filter(({ isReady }) => isReady),
      ({ host }) => host,
    ).values(),
  ]
  let told = 0
  const lane = async (): Promise<void> => {
    for (let group = byHost.pop(); group !== undefined; group = byHost.pop()) {
      const settled = await settleInTurn(controller, group)
      await markSettled(controller.database.db, settled, version)
      told += settled.length
    }
  }
  await Promise.all(Array.from({ length: LIMITS.egressSettleAtOnceMax }, lane))
  return stale.length - told
}

/** The ids of those that were told, up to the first that could not be. */
async function settleInTurn(controller: Controller, stale: readonly Stale[]): Promise<string[]> {
  const settled: string[] = []
  for (const { id, host } of stale) {
    if (controller.isDraining()) break
    try {
      await settleEgress(controller, id)
    } catch (err) {
      controller.log('warn', 'egress.not_settled', { sandbox: id, host, error: describeError(err) })
      break
    }
    settled.push(id)
  }
  return settled
}
