/**
 * What nobody waits for: shares are reported now and then, so that the authority finds what a crash or a lost answer left stranded;
 * what has been idle is given back; a limit that has changed is heard of. One controller does it, any may.
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { eachOf } from './each-of.ts'
import { type Due, listDue, listOverLimit } from './grant-row.ts'

/** Of the limit, what an active tenant keeps in hand. */
const KEPT_PER_LIMIT = 8

export const keepShares = (controller: Controller): Repeating[] => [
  repeat(LIMITS.quotaSweepMs, controller.log, 'quota.sweep_failed', async () => {
    if (await controller.instance.lead()) await reportDue(controller)
  }),
]

export async function reportDue({ database: { db }, quota }: Controller): Promise<void> {
  if (!quota.isShared) {
    const wide = await listOverLimit(db, LIMITS.quotaSweepRowsMax)
    return await eachOf(wide, LIMITS.quotaSweepAtOnceMax, (tenant) => quota.report(tenant))
  }
  const due = await listDue(db, {
    reportMs: LIMITS.quotaReportMs,
    idleMs: LIMITS.quotaIdleMs,
    rowsMax: LIMITS.quotaSweepRowsMax,
  })
  await eachOf(due, LIMITS.quotaSweepAtOnceMax, async (one) => {
    const { kind } = await quota.report(one.tenant, keepOf(one))
    // The others would wait for the same authority in vain; the next sweep tries again.
    if (kind === 'unavailable') throw new Error('The authority over the limits does not answer.')
  })
}

const keepOf = ({ is_active, limit }: Due): number => (is_active ? Math.ceil(limit / KEPT_PER_LIMIT) : 0)
