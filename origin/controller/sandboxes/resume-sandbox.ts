/** Makes sure that a sandbox has a running CPU: wakes a paused one, waits for one that somebody else is waking. */
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { CalledRow, SandboxRow } from '../database/schema/sandboxes.ts'
import { NO_SLOT, type NoSlot, withSlot } from '../quota/with-slot.ts'
import { externalLimit } from './admit.ts'
import { awaitSettled, readAgain } from './await-settled.ts'
import { deadlinesFrom } from './deadlines.ts'
import { hostOf, isLost, loseSandbox } from './lose-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'
import { resumeRow } from './resume-row.ts'

/** On whose behalf a sandbox is woken. */
export type Waker = Pick<Principal, 'tenant' | 'externalMax'>

/** The row of the running sandbox. Throws what the caller should hear when it cannot run. */
export async function ensureRunning<Row extends CalledRow>(
  controller: Controller,
  principal: Waker,
  found: Row,
): Promise<Row | SandboxRow> {
  let row: Row | SandboxRow = found
  for (;;) {
    // What is being kept runs, but for the moment in which its host stops it.
    if (row.state === 'snapshotting') return row
    row = await awaitSettled(controller, row)
    if (row.state === 'running') return row
    const woken = await wake(controller, principal, row)
    if (woken !== undefined) return woken
    row = await readAgain(controller, row)
  }
}

/** Undefined when somebody else moved it first. */
async function wake(controller: Controller, principal: Waker, row: CalledRow): Promise<SandboxRow | undefined> {
  const host = hostOf(controller, row)
  controller.inFlight.add(row.id)
  try {
    if (!(await takeSlot(controller, principal, row))) return undefined
    const { db } = controller.database
    // Read again now that it is ours: its timeouts may have been changed since it was found.
    const deadlines = deadlinesFrom(await readAgain(controller, row), controller.clock())
    const answer = await host.resume(row.id, deadlines)
    if (answer.kind === 'done')
      return await moveSandbox(db, row.id, 'ready', {
        expiresAt: deadlines.expires_at_ms === null ? null : new Date(deadlines.expires_at_ms),
      })
    if (isLost(answer)) throw await loseSandbox(controller, row, answer)
    // If it woke after all, the reconciler pauses it again: the row is what should be.
    await moveSandbox(db, row.id, 'pause')
    throw answer.error
  } finally {
    controller.events.written()
    controller.inFlight.delete(row.id)
  }
}

/** Whether the paused sandbox is `provisioning` now, for this controller to wake. Throws when there is no slot for it. */
export async function takeSlot(controller: Controller, principal: Waker, row: CalledRow): Promise<boolean> {
  const taken = await withSlot(controller, principal, () => askForSlot(controller, row.id, principal))
  if (taken.kind === 'external_limit') throw externalLimit(row.externalUserId)
  return taken.kind === 'resumed'
}

async function askForSlot(
  { database, instance }: Controller,
  id: string,
  { externalMax }: Waker,
): Promise<{ kind: 'resumed' | 'elsewhere' | 'external_limit' } | NoSlot> {
  const verdict = await resumeRow(database.db, id, instance.number, externalMax)
  return verdict === 'concurrency_limit' ? NO_SLOT : { kind: verdict }
}
