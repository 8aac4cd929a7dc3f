/** A restore as it is asked for: in place, once for an Idempotency-Key, or into a new sandbox, which is a create like any other. */
import type { BranchBody, RestoreBody } from '../../../shared/contracts/snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SnapshotRow } from '../database/schema/snapshots.ts'
import type { Timing } from '../http/timing.ts'
import { answerOnce, type Reply } from '../sandboxes/answer-once.ts'
import type { Claim } from '../sandboxes/claim.ts'
import { createSandbox } from '../sandboxes/create-sandbox.ts'
import { findForChange } from '../sandboxes/find-sandbox.ts'
import { toRecord } from '../sandboxes/record.ts'
import { outcomeUnknown } from '../sandboxes/start-on-host.ts'
import { findSnapshot, requireReady } from './find-snapshot.ts'
import { requireTemplateOf } from './plan-fork.ts'
import { restoreSandbox } from './restore-sandbox.ts'

type Asked = { principal: Principal; claim: Claim | undefined }
export type RestoreRequest = Asked & { reference: string; snapshotId: string; body: RestoreBody }

const ID_BYTES = 16

export async function restoreOnce(controller: Controller, request: RestoreRequest, timing: Timing): Promise<Reply> {
  if (controller.isDraining()) throw new AppError('draining', 'This server is about to stop.')
  const { principal, claim, reference, snapshotId, body } = request
  const { database, region, clock, random } = controller
  if (body.into === 'new') {
    const found = await findForChange(database.db, principal, reference, region.code)
    return branchSnapshot(
      controller,
      { ...request, from: await findSnapshot(controller, principal, snapshotId, found.id) },
      timing,
    )
  }
  // It changes what is there and makes nothing, so it gets a name of its own, by which those with the same key may wait for it.
  const made = newId('exec', region.code, clock(), random(ID_BYTES))
  const settle = async (): Promise<never> => {
    throw outcomeUnknown(reference, claim?.key)
  }
  return answerOnce(controller, { claim, made, settle }, async () => {
    const found = await findForChange(database.db, principal, reference, region.code)
    const from = requireReady(await findSnapshot(controller, principal, snapshotId, found.id))
    const row = await restoreSandbox(controller, principal, found, from)
    return { status: 200, response: JSON.stringify({ data: toRecord(row, controller) }) }
  })
}

/** A new sandbox that goes on from a snapshot. */
export function branchSnapshot(
  controller: Controller,
  { principal, claim, body, from }: Asked & { body: BranchBody; from: SnapshotRow },
  timing: Timing,
): Promise<Reply> {
  requireTemplateOf(from, body, controller.policy)
  const { timeout_sec, name, metadata, external_user_id } = body
  const wanted = { snapshot_id: from.id, timeout_sec, name, metadata, external_user_id }
  return createSandbox(controller, { kind: 'create', body: wanted, principal, claim }, timing)
}
