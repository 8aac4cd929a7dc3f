/** The rows of a merge that the host has carried out: the winner ends, the parent runs, and the one slot and the room that are over are free. */
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { tellOf } from '../events/tell-of.ts'
import { deadlinesFrom, deadlinesOf } from '../sandboxes/deadlines.ts'
import { notFound, readSandbox } from '../sandboxes/find-sandbox.ts'
import { lockSandboxes } from '../sandboxes/lock-sandboxes.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { resumeRow } from '../sandboxes/resume-row.ts'

type Merge = { parent: string; winner: string }

/** The parent's row. Safe to repeat. Throws when it was destroyed meanwhile; then the reconciler ends the machine. */
export async function finishMerge(controller: Controller, { parent, winner }: Merge): Promise<SandboxRow> {
  const { database, hosts } = controller
  await database.db.transaction(async (tx) => {
    const rows = await lockSandboxes(tx, [parent, winner])
    const ended = await moveSandbox(tx, winner, 'destroy', { isGone: true })
    if (rows.find(({ id }) => id === parent)?.state === 'paused') await wakeRow(controller, tx, parent)
    if (ended !== undefined) await tellOf(tx, parent, 'sandbox.merged', { winner_id: winner })
  })
  const row = await readSandbox(database.db, parent)
  if (row === undefined || row.state === 'destroyed') throw notFound()
  // Its machine came with the other one's clock. A host that is away is told by the reconciler.
  if (row.state === 'running') await hosts.get(row.host)?.setDeadlines(row.id, deadlinesOf(row))
  return row
}

/** With the slot that the winner has just left. When that was taken back, the machine is paused as the row is. */
async function wakeRow(controller: Controller, tx: Db, id: string): Promise<void> {
  const row = await readSandbox(tx, id)
  if (row === undefined || (await resumeRow(tx, id, controller.instance.number, null)) !== 'resumed') return
  const { expires_at_ms: expiresAtMs } = deadlinesFrom(row, controller.clock())
  await moveSandbox(tx, id, 'ready', { expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs) })
}
