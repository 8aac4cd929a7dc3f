/**
 * Makes a sandbox what it was at a snapshot. It is `provisioning` meanwhile, as one that is being woken, and everybody waits for it.
 * When the host could not, it still is what it was, and so is its row; where nobody knows, the reconciler looks.
 */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { SnapshotRow } from '../database/schema/snapshots.ts'
import { awaitSettled, readAgain } from '../sandboxes/await-settled.ts'
import { deadlinesFrom } from '../sandboxes/deadlines.ts'
import { notFound } from '../sandboxes/find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from '../sandboxes/lose-sandbox.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { takeSlot, type Waker } from '../sandboxes/resume-sandbox.ts'
import { askTwice } from './ask-twice.ts'

/** The row of the running sandbox. */
export async function restoreSandbox(
  controller: Controller,
  principal: Waker,
  found: SandboxRow,
  from: SnapshotRow,
): Promise<SandboxRow> {
  const { db } = controller.database
  controller.inFlight.add(found.id)
  try {
    const before = await holdStill(controller, principal, found)
    const host = hostOf(controller, before)
    const deadlines = deadlinesFrom(before, controller.clock())
    const answer = await askTwice(controller, () => host.restore(before.id, { snapshot_id: from.id, deadlines }))
    if (answer.kind === 'done') {
      const expiresAt = deadlines.expires_at_ms === null ? null : new Date(deadlines.expires_at_ms)
      const restored = await moveSandbox(db, before.id, 'ready', { expiresAt })
      if (restored === undefined) throw notFound()
      return restored
    }
    if (isLost(answer)) throw await loseSandbox(controller, before, answer)
    if (before.state === 'paused') await moveSandbox(db, before.id, 'pause')
    else await moveSandbox(db, before.id, 'ready', { expiresAt: before.expiresAt })
    throw answer.error
  } finally {
    controller.inFlight.delete(found.id)
  }
}

/** The row as it was, running or paused; it is `provisioning` now, and nobody else's to move. */
async function holdStill(controller: Controller, principal: Waker, found: SandboxRow): Promise<SandboxRow> {
  let row = found
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    row = await awaitSettled(controller, row)
    // Without a host there is nothing to hold still for.
    hostOf(controller, row)
    const isHeld =
      row.state === 'paused'
        ? await takeSlot(controller, principal, row)
        : (await moveSandbox(controller.database.db, row.id, 'restore', {
            revision: row.revision,
            instance: controller.instance.number,
          })) !== undefined
    if (isHeld) return row
    row = await readAgain(controller, row)
  }
  throw new AppError('state_conflict', 'Other requests move this sandbox all the time.', { retryAfterSec: 1 })
}
