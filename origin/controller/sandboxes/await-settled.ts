/** A sandbox that somebody else is moving is waited for. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { CalledRow, SandboxRow } from '../database/schema/sandboxes.ts'
import { notFound, readSandbox } from './find-sandbox.ts'

/** The row when it is running or paused. Throws what the caller should hear when it has ended, or moves for too long. */
export async function awaitSettled<Row extends CalledRow>(
  controller: Controller,
  found: Row,
): Promise<Row | SandboxRow> {
  const until = controller.clock() + LIMITS.resumeWaitMs
  let row: Row | SandboxRow = found
  for (;;) {
    switch (row.state) {
      case 'running':
      case 'paused':
        return row
      case 'destroyed':
        throw notFound()
      case 'error':
        throw new AppError('sandbox_not_running', `The sandbox has failed: ${row.lastError ?? 'no reason is known'}.`)
      case 'creating':
      case 'provisioning':
      case 'snapshotting':
        if (controller.clock() >= until)
          throw new AppError('state_conflict', `The sandbox has been ${row.state} for too long to wait for it.`, {
            retryAfterSec: 1,
          })
        await sleep(LIMITS.rowPollMs)
    }
    row = await readAgain(controller, row)
  }
}

/** Throws when it is forgotten. */
export async function readAgain(controller: Controller, { id }: CalledRow): Promise<SandboxRow> {
  const again = await readSandbox(controller.database.db, id)
  if (again === undefined) throw notFound()
  return again
}
