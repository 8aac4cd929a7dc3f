/** Locks the rows of sandboxes for the rest of a transaction, in the order of their ids, so that no two transactions wait for each other. */
import { asc, inArray } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { sandbox } from '../database/schema/sandboxes.ts'

export type LockedSandbox = Pick<
  typeof sandbox.$inferSelect,
  'id' | 'state' | 'revision' | 'host' | 'mergeInto' | 'instance'
>

/** Those that are there. */
export const lockSandboxes = (tx: Pick<Db, 'select'>, ids: string[]): Promise<LockedSandbox[]> =>
  tx
    .select({
      id: sandbox.id,
      state: sandbox.state,
      revision: sandbox.revision,
      host: sandbox.host,
      mergeInto: sandbox.mergeInto,
      instance: sandbox.instance,
    })
    .from(sandbox)
    .where(inArray(sandbox.id, ids))
    .orderBy(asc(sandbox.id))
    .for('update')
