/** A merge as it is asked for: once for an Idempotency-Key. Without one, a repeat finds that there is no winner any more. */
import { newId } from '../../../shared/ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { answerOnce, type Reply, type Settled } from '../sandboxes/answer-once.ts'
import type { Claim, KeptAnswer } from '../sandboxes/claim.ts'
import { findForChange, findSandbox } from '../sandboxes/find-sandbox.ts'
import { findMerged, mergeSandboxes } from './merge-sandboxes.ts'

export type MergeRequest = {
  principal: Principal
  claim: Claim | undefined
  parent: string
  winner: string
  answerOf: (parent: SandboxRow) => KeptAnswer
}

const ID_BYTES = 16

export function mergeOnce(controller: Controller, request: MergeRequest): Promise<Reply> {
  const { principal, claim, parent, winner, answerOf } = request
  const { database, region, clock, random } = controller
  const made = newId('exec', region.code, clock(), random(ID_BYTES))
  return answerOnce(controller, { claim, made, settle: () => settleMerge(controller, request) }, async () => {
    const found = (reference: string) => findForChange(database.db, principal, reference, region.code)
    return answerOf(
      await mergeSandboxes(controller, principal, { parent: await found(parent), winner: await found(winner) }),
    )
  })
}

/** One that was carried out is answered as such; any other may be begun again, from wherever it was left. */
async function settleMerge(
  controller: Controller,
  { principal, parent, winner, answerOf }: MergeRequest,
): Promise<Settled> {
  const { database, region } = controller
  const { id } = await findSandbox(database.db, principal, parent, region.code)
  const merged = await findMerged(controller, id, winner)
  return merged === undefined ? 'free' : answerOf(merged)
}
