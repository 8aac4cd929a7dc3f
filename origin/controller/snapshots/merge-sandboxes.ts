/**
 * Lets a sandbox go on with the machine of another one, whose id ends with it. Which machine is to go where is written on the winner's row
 * before the host is asked; once the host has said yes, both rows follow in one transaction. After a crash in between the reconciler sees
 * by what the host has how far it came, and finishes it or takes it back; a repeat does the same.
 */
import { and, eq, isNull, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { awaitSettled } from '../sandboxes/await-settled.ts'
import { readSandbox } from '../sandboxes/find-sandbox.ts'
import { lockSandboxes } from '../sandboxes/lock-sandboxes.ts'
import { hostOf } from '../sandboxes/lose-sandbox.ts'
import { ensureRunning } from '../sandboxes/resume-sandbox.ts'
import { askTwice } from './ask-twice.ts'
import { finishMerge } from './finish-merge.ts'

/** The parent's row, with the winner's machine. Throws merge_not_possible, and what the host says. */
export async function mergeSandboxes(
  controller: Controller,
  principal: Principal,
  { parent: foundParent, winner: foundWinner }: { parent: SandboxRow; winner: SandboxRow },
): Promise<SandboxRow> {
  if (foundParent.id === foundWinner.id)
    throw new AppError('invalid_request', 'A sandbox cannot be merged into itself.', {
      details: { winner: ['must be another sandbox'] },
    })
  requireAlike(foundParent, foundWinner)
  const ids = [foundParent.id, foundWinner.id]
  for (const id of ids) controller.inFlight.add(id)
  try {
    const parent = await awaitSettled(controller, foundParent)
    const winner = await awaitSettled(controller, await ensureRunning(controller, principal, foundWinner))
    await writeIntent(controller, parent.id, winner.id)
    const host = hostOf(controller, parent)
    const answer = await askTwice(controller, () => host.merge(parent.id, winner.id))
    if (answer.kind === 'done') return await finishMerge(controller, { parent: parent.id, winner: winner.id })
    if (answer.kind === 'unknown') throw unknownMerge(parent.id, answer.error)
    await dropIntent(controller, parent.id, winner.id)
    throw answer.error
  } finally {
    for (const id of ids) controller.inFlight.delete(id)
  }
}

/** The reconciler finds out. A key that it came with stays claimed, so that whoever comes with it is told what became of it. */
const unknownMerge = (parentId: string, cause: AppError): AppError =>
  new AppError('outcome_unknown', 'The merge may have been carried out; its host gave no answer.', {
    details: { sandbox_id: parentId },
    cause,
  })

/** The room that is promised, and what is paid for, go by the rows: so the machines must be of one kind, as those of a fork are. */
function requireAlike(parent: SandboxRow, winner: SandboxRow): void {
  const isAlike =
    parent.host === winner.host &&
    parent.template === winner.template &&
    parent.vcpus === winner.vcpus &&
    parent.memoryMib === winner.memoryMib &&
    parent.diskMib === winner.diskMib
  if (!isAlike)
    throw new AppError('merge_not_possible', 'These two sandboxes are of different kinds, or on different machines.')
}

/** Throws state_conflict when either is part of another merge, or was stopped meanwhile. */
const writeIntent = ({ database, instance }: Controller, parentId: string, winnerId: string): Promise<void> =>
  database.db.transaction(async (tx) => {
    const rows = await lockSandboxes(tx, [parentId, winnerId])
    const [parent, winner] = [parentId, winnerId].map((id) => rows.find((row) => row.id === id))
    const isFree =
      (parent?.state === 'running' || parent?.state === 'paused') &&
      parent.mergeInto === null &&
      winner?.state === 'running' &&
      (winner.mergeInto === null || winner.mergeInto === parentId)
    if (!isFree)
      throw new AppError('state_conflict', 'One of the sandboxes is being changed by another request.', {
        retryAfterSec: 1,
      })
    await tx
      .update(sandbox)
      .set({
        mergeInto: parentId,
        instance: instance.number,
        revision: sql`${sandbox.revision} + 1`,
        changedAt: sql`clock_timestamp()`,
      })
      .where(eq(sandbox.id, winnerId))
  })

/** The winner keeps its machine. Safe to repeat. */
export async function dropIntent({ database }: Controller, parentId: string, winnerId: string): Promise<void> {
  await database.db
    .update(sandbox)
    .set({ mergeInto: null, revision: sql`${sandbox.revision} + 1`, changedAt: sql`clock_timestamp()` })
    .where(and(eq(sandbox.id, winnerId), eq(sandbox.mergeInto, parentId), isNull(sandbox.destroyedAt)))
}

/** What became of a merge whose request was abandoned: the parent when it is done; undefined when a new request may begin it again. */
export async function findMerged(
  { database }: Controller,
  parentId: string,
  winnerId: string,
): Promise<SandboxRow | undefined> {
  const winner = await readSandbox(database.db, winnerId)
  const isDone = winner?.state === 'destroyed' && winner.mergeInto === parentId
  return isDone ? readSandbox(database.db, parentId) : undefined
}
