/** Admission under an Idempotency-Key. */
import { ENDED } from '../../../shared/lifecycle.ts'
import type { Controller } from '../controller.ts'
import { type Admitted, admit, type Wanted } from './admit.ts'
import { type Claim, dropClaim, finishClaim } from './claim.ts'
import { readSandbox } from './find-sandbox.ts'
import { toRecord } from './record.ts'
import { outcomeUnknown } from './start-on-host.ts'
import { type InProgress, type Replay, waitForTurn } from './wait-for-turn.ts'

type Settled = Exclude<Admitted, InProgress>

export const admitOnce = (controller: Controller, wanted: Wanted): Promise<Settled> =>
  waitForTurn<Settled>(
    controller,
    () => admit(controller, wanted),
    async (sandbox) => (wanted.claim === undefined ? undefined : settleAbandoned(controller, wanted.claim, sandbox)),
  )

async function settleAbandoned(controller: Controller, claim: Claim, sandboxId: string): Promise<Replay | undefined> {
  if (claim.kind === 'run') throw outcomeUnknown(sandboxId, claim.key)
  const { db } = controller.database
  const row = await readSandbox(db, sandboxId)
  if (row !== undefined && row.readyAt !== null) {
    const response = JSON.stringify({ data: toRecord(row, controller) })
    await finishClaim(db, claim, sandboxId, { status: 201, response })
    return { kind: 'replay', status: 201, response }
  }
  if (row === undefined || ENDED.has(row.state)) await dropClaim(db, claim, sandboxId)
  return undefined
}
