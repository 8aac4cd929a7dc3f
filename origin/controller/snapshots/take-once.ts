/** A snapshot as it is asked for: once for an Idempotency-Key. */
import { eq } from 'drizzle-orm'
import type { TakeSnapshotBody } from '../../../shared/contracts/snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { type SnapshotRow, snapshot } from '../database/schema/snapshots.ts'
import { answerOnce, type Reply, type Settled } from '../sandboxes/answer-once.ts'
import type { Claim, KeptAnswer } from '../sandboxes/claim.ts'
import { findForChange } from '../sandboxes/find-sandbox.ts'
import { toSnapshotRecord } from './record.ts'
import { newSnapshotId, takeSnapshot } from './take-snapshot.ts'

export type TakeRequest = {
  principal: Principal
  reference: string
  body: TakeSnapshotBody
  claim: Claim | undefined
}

const CREATED = 201

export function takeOnce(controller: Controller, { principal, reference, body, claim }: TakeRequest): Promise<Reply> {
  if (controller.isDraining()) throw new AppError('draining', 'This server is about to stop.')
  const { database, region } = controller
  const id = newSnapshotId(controller)
  return answerOnce(controller, { claim, made: id, settle: (made) => settleTake(controller, made) }, async () => {
    const found = await findForChange(database.db, principal, reference, region.code)
    return answerOf(
      controller,
      await takeSnapshot(controller, found, { id, comment: body.comment ?? null, owner: null }),
    )
  })
}

const answerOf = ({ region }: Controller, row: SnapshotRow): KeptAnswer => ({
  status: CREATED,
  response: JSON.stringify({ data: toSnapshotRecord(row, region.code) }),
})

async function settleTake(controller: Controller, id: string): Promise<Settled> {
  const [row] = await controller.database.db.select().from(snapshot).where(eq(snapshot.id, id))
  switch (row?.state) {
    case 'ready':
      return answerOf(controller, row)
    case 'creating':
      return 'later'
    case 'failed':
    case 'deleting':
    case undefined:
      return 'free'
  }
}
