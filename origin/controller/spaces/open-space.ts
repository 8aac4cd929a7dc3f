/**
 * Answers the running sandbox of a space. One that is frozen is opened by whoever moves its row first, under the id of a sandbox that is
 * written there before that is made; everybody else waits for that one. So a space is never in two sandboxes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { eq } from 'drizzle-orm'
import type { CreateSandboxBody } from '../../../shared/contracts/sandbox-bodies.ts'
import { AppError, toAppError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import { ENDED } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { type SnapshotRow, snapshot } from '../database/schema/snapshots.ts'
import type { SpaceRow } from '../database/schema/spaces.ts'
import type { Timing } from '../http/timing.ts'
import { createSandbox } from '../sandboxes/create-sandbox.ts'
import { readSandbox } from '../sandboxes/find-sandbox.ts'
import { ensureRunning } from '../sandboxes/resume-sandbox.ts'
import { requireReady } from '../snapshots/find-snapshot.ts'
import { noSpace, readSpace } from './find-space.ts'
import { moveSpace } from './move-space.ts'

const ID_BYTES = 16

export async function openSpace(
  controller: Controller,
  principal: Principal,
  found: SpaceRow,
  timing: Timing,
): Promise<SandboxRow> {
  if (controller.isDraining()) throw new AppError('draining', 'This server is about to stop.')
  const until = controller.clock() + LIMITS.createWaitMsMax
  let row = found
  for (;;) {
    const inside =
      row.state === 'frozen'
        ? await begin(controller, principal, row, timing)
        : row.state === 'open'
          ? await enter(controller, principal, row)
          : undefined
    if (inside !== undefined) return inside
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

/** Undefined when its sandbox has ended; then it is frozen, and opened anew. */
async function enter(controller: Controller, principal: Principal, row: SpaceRow): Promise<SandboxRow | undefined> {
  const { db } = controller.database
  const inside = row.sandbox === null ? undefined : await readSandbox(db, row.sandbox)
  if (inside === undefined || ENDED.has(inside.state)) {
    await moveSpace(db, row, 'ended', { sandbox: null, lastError: inside?.lastError ?? null })
    return undefined
  }
  try {
    return await ensureRunning(controller, principal, inside)
  } catch (thrown) {
    // It was frozen, or ended, while we came.
    const now = await readSandbox(db, inside.id)
    if (now === undefined || ENDED.has(now.state)) return undefined
    throw thrown
  }
}

/** Undefined when somebody else moved the space first. */
async function begin(
  controller: Controller,
  principal: Principal,
  row: SpaceRow,
  timing: Timing,
): Promise<SandboxRow | undefined> {
  const { database, region, clock, random, instance } = controller
  const source = await stateOf(controller, row)
  const id = newId('sbx', region.code, clock(), random(ID_BYTES))
  controller.inFlight.add(row.id)
  try {
    const opening = await moveSpace(database.db, row, 'open', { sandbox: id, instance: instance.number })
    if (opening === undefined) return undefined
    try {
      const body = bodyOf(row, principal, source)
      await createSandbox(
        controller,
        { kind: 'create', body, principal, claim: undefined, known: { id, source } },
        timing,
      )
    } catch (thrown) {
      await closeAgain(controller, opening, id, thrown)
      throw thrown
    }
    await moveSpace(database.db, opening, 'opened', { openedAt: new Date(clock()), lastError: null })
    return await readSandbox(database.db, id)
  } finally {
    controller.inFlight.delete(row.id)
  }
}

/** Only when there is no sandbox for certain; else the reconciler finds out what became of it. */
async function closeAgain(controller: Controller, opening: SpaceRow, id: string, thrown: unknown): Promise<void> {
  const { db } = controller.database
  const made = await readSandbox(db, id)
  if (made !== undefined && !ENDED.has(made.state)) return
  await moveSpace(db, opening, 'failed', { sandbox: null, lastError: toAppError(thrown).message })
}

/** What it goes on from; undefined for a space that was never frozen. Throws snapshot_lost. */
async function stateOf({ database }: Controller, row: SpaceRow): Promise<SnapshotRow | undefined> {
  if (row.snapshot === null) return undefined
  const [kept] = await database.db.select().from(snapshot).where(eq(snapshot.id, row.snapshot))
  if (kept === undefined) throw new AppError('snapshot_lost', 'The frozen state of this space is lost.')
  return requireReady(kept)
}

/** It is kept when its time is over, and paused when nobody uses it, which is when it is frozen. Its machine is that of its state. */
function bodyOf(row: SpaceRow, principal: Principal, source: SnapshotRow | undefined): CreateSandboxBody {
  const { template, template_id, size, cpu_count, memory_mb, disk_size_mb, ...labels } = row.spec
  const machine = source === undefined ? { template, template_id, size, cpu_count, memory_mb, disk_size_mb } : {}
  return {
    ...labels,
    ...machine,
    ...(row.externalUser === null ? {} : { external_user_id: row.externalUser }),
    persistent: true,
    timeout_sec: row.spec.timeout_sec ?? principal.limits.maxTimeoutSec,
    idle_timeout_sec: row.spec.idle_timeout_sec ?? LIMITS.spaceIdleSecDefault,
  }
}
