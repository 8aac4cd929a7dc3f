/** Deletes a space and what it has kept. The sandbox that it is in ends with it only when that is asked for. */
import { and, eq, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { snapshot } from '../database/schema/snapshots.ts'
import { type SpaceRow, space } from '../database/schema/spaces.ts'
import { clearHost } from '../sandboxes/clear-host.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { forgetSnapshot } from '../snapshots/discard-snapshot.ts'

/** Throws space_in_use, state_conflict. */
export async function removeSpace(controller: Controller, row: SpaceRow, isForced: boolean): Promise<void> {
  if (row.state === 'opening' || row.state === 'freezing')
    throw new AppError('state_conflict', `The space is ${row.state}.`, { retryAfterSec: 1 })
  if (row.state === 'open' && !isForced)
    throw new AppError('space_in_use', 'The space is open.', { details: { sandbox_id: row.sandbox } })
  const { ended, kept } = await controller.database.db.transaction(async (tx) => {
    const destroyed = row.sandbox === null ? undefined : await moveSandbox(tx, row.sandbox, 'destroy')
    const marked = await tx
      .update(snapshot)
      .set({ state: 'deleting', changedAt: sql`clock_timestamp()` })
      .where(eq(snapshot.id, row.snapshot ?? ''))
      .returning({ id: snapshot.id, host: snapshot.host })
    const removed = await tx
      .delete(space)
      .where(and(eq(space.id, row.id), eq(space.revision, row.revision)))
      .returning({ id: space.id })
    if (removed.length === 0)
      throw new AppError('state_conflict', 'Another request moves this space.', { retryAfterSec: 1 })
    return { ended: destroyed, kept: marked }
  })
  if (ended !== undefined) await clearHost(controller, ended)
  for (const one of kept) await forgetSnapshot(controller, one)
}
