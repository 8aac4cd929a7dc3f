/** Stops the CPU of a sandbox. The slot is free only when the host has stopped it: first the fact, then the row. */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { notFound, readSandbox } from './find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from './lose-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'

export async function pauseSandbox(controller: Controller, row: SandboxRow): Promise<SandboxRow> {
  switch (row.state) {
    case 'paused':
      return row
    case 'running':
    case 'snapshotting':
      return pauseRunning(controller, row)
    case 'creating':
    case 'provisioning':
      throw new AppError('state_conflict', `The sandbox is ${row.state}.`, { retryAfterSec: 1 })
    case 'error':
      throw new AppError('sandbox_not_running', `The sandbox has failed: ${row.lastError ?? 'no reason is known'}.`)
    case 'destroyed':
      throw notFound()
  }
}

async function pauseRunning(controller: Controller, row: SandboxRow): Promise<SandboxRow> {
  const { db } = controller.database
  const answer = await hostOf(controller, row).pause(row.id)
  if (answer.kind !== 'done') throw isLost(answer) ? await loseSandbox(controller, row, answer) : answer.error
  await controller.commands.settle(row.id)
  let now: SandboxRow | undefined = row
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    const paused: SandboxRow | undefined = await moveSandbox(db, row.id, 'pause', { revision: now.revision })
    if (paused !== undefined) return paused
    now = await readSandbox(db, row.id)
    if (now === undefined || now.state === 'destroyed') throw notFound()
    if (now.state === 'paused') return now
    if (!isSameRun(row, now)) break
  }
  throw new AppError('state_conflict', `Another request made the sandbox ${now.state} meanwhile.`, { retryAfterSec: 1 })
}

/** One that was given another end still stands where we stopped it; if it was woken for a command, writing `paused` now would freeze that command. */
const isSameRun = (before: SandboxRow, now: SandboxRow): boolean =>
  (now.state === 'running' || now.state === 'snapshotting') && now.startedAt?.getTime() === before.startedAt?.getTime()
