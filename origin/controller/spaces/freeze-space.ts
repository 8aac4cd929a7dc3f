/**
 * Freezes a space: its sandbox is paused, kept, and destroyed only if it still is as it was when it was paused. Whoever used it meanwhile
 * has woken it, and then it stays open: nothing that was answered is ever thrown away.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { ENDED } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { snapshot } from '../database/schema/snapshots.ts'
import type { SpaceRow } from '../database/schema/spaces.ts'
import { clearHost } from '../sandboxes/clear-host.ts'
import { readSandbox } from '../sandboxes/find-sandbox.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { pauseSandbox } from '../sandboxes/pause-sandbox.ts'
import { discardSnapshot, forgetSnapshot } from '../snapshots/discard-snapshot.ts'
import { newSnapshotId, takeSnapshot } from '../snapshots/take-snapshot.ts'
import { noSpace, readSpace } from './find-space.ts'
import { moveSpace } from './move-space.ts'

/** The row of the frozen space. Throws state_conflict when it was used meanwhile, and what the host says. */
export async function freezeSpace(controller: Controller, found: SpaceRow): Promise<SpaceRow> {
  const until = controller.clock() + LIMITS.createWaitMsMax
  let row = found
  for (;;) {
    if (row.state === 'frozen') return row
    if (row.state === 'open' && row.sandbox !== null) {
      const frozen = await freezeOpen(controller, row, row.sandbox)
      if (frozen !== undefined) return frozen
    }
    if (controller.clock() >= until)
      throw new AppError('state_conflict', `The space has been ${row.state} for too long to wait for it.`, {
        retryAfterSec: 1,
      })
    await sleep(LIMITS.rowPollMs)
    const again = await readSpace(controller.database.db, row.id)
    if (again === undefined) throw noSpace()
    row = again
  }
}

/** Undefined when somebody else moved the space first. */
async function freezeOpen(controller: Controller, row: SpaceRow, sandboxId: string): Promise<SpaceRow | undefined> {
  const { database, instance } = controller
  const next = newSnapshotId(controller)
  controller.inFlight.add(row.id)
  try {
    const freezing = await moveSpace(database.db, row, 'freeze', { nextSnapshot: next, instance: instance.number })
    if (freezing === undefined) return undefined
    try {
      return await keep(controller, freezing, sandboxId, next)
    } catch (thrown) {
      await stayOpen(controller, freezing)
      throw thrown
    }
  } finally {
    controller.inFlight.delete(row.id)
  }
}

/** Its sandbox goes on. Safe to repeat, and from wherever a crash has left it. */
export async function stayOpen(controller: Controller, freezing: SpaceRow): Promise<void> {
  await moveSpace(controller.database.db, freezing, 'used', { nextSnapshot: null })
  if (freezing.nextSnapshot !== null) await discardSnapshot(controller, freezing.nextSnapshot)
}

async function keep(controller: Controller, freezing: SpaceRow, sandboxId: string, next: string): Promise<SpaceRow> {
  const found = await readSandbox(controller.database.db, sandboxId)
  if (found === undefined || ENDED.has(found.state)) {
    const ended = { sandbox: null, nextSnapshot: null, lastError: found?.lastError ?? null }
    return (await moveSpace(controller.database.db, freezing, 'ended', ended)) ?? overtaken()
  }
  const paused = await pauseSandbox(controller, found)
  await takeSnapshot(controller, paused, { id: next, comment: null, owner: freezing.id })
  const frozen = await letGo(controller, freezing, paused, next)
  await clearHost(controller, paused)
  if (freezing.snapshot !== null) await forgetSnapshot(controller, { id: freezing.snapshot, host: paused.host })
  return frozen
}

/** The new state counts, the old one is to be forgotten, and the sandbox ends: all in one transaction, or nothing. */
const letGo = (controller: Controller, freezing: SpaceRow, paused: SandboxRow, next: string): Promise<SpaceRow> =>
  controller.database.db.transaction(async (tx) => {
    const ended = await moveSandbox(tx, paused.id, 'destroy', { revision: paused.revision })
    if (ended === undefined) return overtaken()
    if (freezing.snapshot !== null)
      await tx
        .update(snapshot)
        .set({ state: 'deleting', changedAt: sql`clock_timestamp()` })
        .where(eq(snapshot.id, freezing.snapshot))
    const facts = { sandbox: null, snapshot: next, nextSnapshot: null, lastError: null }
    const frozenAt = new Date(controller.clock())
    return (await moveSpace(tx, freezing, 'frozen', { ...facts, frozenAt })) ?? overtaken()
  })

function overtaken(): never {
  throw new AppError('state_conflict', 'The space was used while it was being frozen, so it stays open.', {
    retryAfterSec: 1,
  })
}
