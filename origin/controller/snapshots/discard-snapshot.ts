/** Deletes a snapshot: for its tenant at once, and for good when its host has forgotten it. The reconciler goes on where this ends. */
import { and, eq, inArray, ne, sql } from 'drizzle-orm'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { snapshot } from '../database/schema/snapshots.ts'

/** Safe to repeat, also for what is not there. */
export async function discardSnapshot(controller: Controller, id: string): Promise<void> {
  for (const marked of await markDeleting(controller.database.db, [id])) await forgetSnapshot(controller, marked)
}

/** Those that were not marked before. In the transaction in which nothing names them any more, so that a crash leaves none behind. */
export const markDeleting = (db: Pick<Db, 'update'>, ids: string[]): Promise<{ id: string; host: string }[]> =>
  db
    .update(snapshot)
    .set({ state: 'deleting', changedAt: sql`clock_timestamp()` })
    .where(and(inArray(snapshot.id, ids), ne(snapshot.state, 'deleting')))
    .returning({ id: snapshot.id, host: snapshot.host })

export async function forgetSnapshot(
  controller: Controller,
  { id, host }: { id: string; host: string },
): Promise<'forgotten' | 'later'> {
  const answer = await controller.hosts.get(host)?.removeSnapshot(id)
  if (answer?.kind !== 'done') {
    controller.log('warn', 'snapshot.forget_later', { snapshot: id, host, why: answer?.error.message })
    return 'later'
  }
  await controller.database.db.delete(snapshot).where(and(eq(snapshot.id, id), eq(snapshot.state, 'deleting')))
  return 'forgotten'
}
