/**
 * Keeps what a sandbox is. The row is written before its host is asked, in the transaction in which a sandbox that runs becomes
 * `snapshotting`; it is `ready` in the one in which that goes on. A controller that dies in between leaves both to the reconciler.
 */
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { SnapshotRow } from '../database/schema/snapshots.ts'
import { readBook } from '../egress/read-book.ts'
import { carriedWish } from '../egress/wish.ts'
import { awaitSettled, readAgain } from '../sandboxes/await-settled.ts'
import { hostOf, isLost, loseSandbox } from '../sandboxes/lose-sandbox.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { askTwice } from './ask-twice.ts'
import { discardSnapshot } from './discard-snapshot.ts'
import { noSnapshot } from './find-snapshot.ts'
import { finishSnapshot } from './finish-snapshot.ts'

/** `owner` is the space or the build whose state it will be; null is the tenant itself. */
export type Take = { id: string; comment: string | null; owner: string | null }

const ID_BYTES = 16

export const newSnapshotId = ({ region, clock, random }: Controller): string =>
  newId('snap', region.code, clock(), random(ID_BYTES))

/** Throws account_limit, state_conflict, and what the host says. */
export async function takeSnapshot(controller: Controller, found: SandboxRow, take: Take): Promise<SnapshotRow> {
  controller.inFlight.add(take.id)
  controller.inFlight.add(found.id)
  try {
    const row = await admitTake(controller, found, take)
    const host = hostOf(controller, row)
    const answer = await askTwice(controller, () => host.take(row.id, take.id))
    if (answer.kind === 'done') {
      const kept = await finishSnapshot(controller, { id: take.id, sandbox: row.id }, answer.value)
      if (kept === undefined) throw noSnapshot()
      return kept
    }
    await moveSandbox(controller.database.db, row.id, 'snapshotted')
    await discardSnapshot(controller, take.id)
    throw isLost(answer) ? await loseSandbox(controller, row, answer) : answer.error
  } finally {
    controller.inFlight.delete(found.id)
    controller.inFlight.delete(take.id)
  }
}

const verdictSchema = z.object({ verdict: z.enum(['created', 'elsewhere', 'tenant_limit', 'sandbox_limit']) })

/** The sandbox as it was just before. One that another request is keeping, waking or making is waited for. */
async function admitTake(controller: Controller, found: SandboxRow, take: Take): Promise<SandboxRow> {
  let row = found
  const egress = carriedWish(row.id, row.egress, await readBook(controller.database.db, row.tenant, row.id))
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    row = await awaitSettled(controller, row)
    hostOf(controller, row)
    const { rows } = await controller.database.pool.query<{ verdict: unknown }>({
      name: 'admit_snapshot',
      text: 'select admit_snapshot($1::jsonb) as verdict',
      values: [JSON.stringify(requestOf(controller, row, take, egress))],
    })
    const { verdict } = verdictSchema.parse(rows[0]?.verdict)
    switch (verdict) {
      case 'created':
        return row
      case 'tenant_limit':
        throw tooMany(LIMITS.snapshotsPerTenantMax, 'A tenant')
      case 'sandbox_limit':
        throw tooMany(LIMITS.snapshotsPerSandboxMax, 'A sandbox')
      case 'elsewhere':
        row = await readAgain(controller, row)
    }
  }
  throw new AppError('state_conflict', 'Other requests move this sandbox all the time.', { retryAfterSec: 1 })
}

const requestOf = (
  { instance }: Controller,
  row: SandboxRow,
  { id, comment, owner }: Take,
  egress: SandboxRow['egress'],
) => ({
  tenant_max: LIMITS.snapshotsPerTenantMax,
  sandbox_max: LIMITS.snapshotsPerSandboxMax,
  snapshot: { id, sandbox: row.id, comment, space: owner, egress, instance: instance.number },
})

const tooMany = (max: number, who: string): AppError =>
  new AppError('account_limit', `${who} has at most ${max} snapshots.`, { details: { limit: max } })
