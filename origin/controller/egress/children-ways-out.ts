/**
 * Where the children of a fork may go: where their parent may, also by what was said of the parent alone, which they have as their own from
 * then on. Their rows are written before their host is asked for them.
 */
import { eq } from 'drizzle-orm'
import type { EgressSetting } from '../../../shared/contracts/host-egress.ts'
import type { Controller } from '../controller.ts'
import { type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { readBook } from './read-book.ts'
import { type WayOut, wayOutOf } from './way-out.ts'
import { carriedWish } from './wish.ts'

/** The settings by the ids of the children; of those that are not in it nothing is said. Throws account_limit. */
export async function giveWaysOut(
  controller: Controller,
  parent: SandboxRow,
  children: readonly { id: string; externalUserId: string | null }[],
): Promise<ReadonlyMap<string, EgressSetting>> {
  const { db } = controller.database
  const book = await readBook(db, parent.tenant, parent.id)
  const egress = carriedWish(parent.id, parent.egress, book)
  const settings = new Map<string, EgressSetting>()
  for (const child of children) {
    const { setting, columns } = wayOutOf(controller, { ...parent, ...child, egress }, book)
    const isAsCopied = egress === parent.egress && setting === null && parent.egressRevision === null
    if (!isAsCopied)
      await db
        .update(sandbox)
        .set({ egress, ...columnsOf(columns) })
        .where(eq(sandbox.id, child.id))
    if (setting !== null) settings.set(child.id, setting)
    // Without a word of its own a child has what its parent has.
    else if (parent.egressRevision !== null) settings.set(child.id, { revision: 1, policy: null })
  }
  return settings
}

const columnsOf = ({ egress_revision, egress_mark, egress_version }: WayOut['columns']) => ({
  egressRevision: egress_revision,
  egressMark: egress_mark,
  egressVersion: egress_version,
})
