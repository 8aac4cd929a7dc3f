/** A fork as it is asked for: once for an Idempotency-Key, whole or child by child, answered in the form of the door it came by. */
import { asc, eq } from 'drizzle-orm'
import type { BranchBody } from '../../../shared/contracts/snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { SANDBOX_COLUMNS, type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { answerOnce, type Reply, type Settled } from '../sandboxes/answer-once.ts'
import type { Claim, KeptAnswer } from '../sandboxes/claim.ts'
import { destroySandbox } from '../sandboxes/destroy-sandbox.ts'
import { findForChange } from '../sandboxes/find-sandbox.ts'
import { subjectOf } from '../sandboxes/subject.ts'
import { forkSandbox } from './fork-sandbox.ts'
import { planFork } from './plan-fork.ts'

export type ForkRequest = {
  principal: Principal
  /** The parent. */
  reference: string
  body: BranchBody
  count: number
  claim: Claim | undefined
  /** All children or none; else the ones that failed are told of as such. */
  isWhole: boolean
  answerOf: (children: SandboxRow[]) => KeptAnswer
}

const ID_BYTES = 16

export function forkOnce(controller: Controller, request: ForkRequest): Promise<Reply> {
  if (controller.isDraining()) throw new AppError('draining', 'This server is about to stop.')
  const { principal, reference, body, count, claim, answerOf } = request
  const { region, clock, random, policy, database } = controller
  const subject = subjectOf(principal, body.external_user_id)
  const newChild = (): string => newId('sbx', region.code, clock(), random(ID_BYTES))
  // In the order of their ids, which is how they are found again.
  const children = Array.from({ length: count }, newChild).sort()
  const once = { claim, made: children[0] ?? '', settle: (fork: string) => settleFork(controller, request, fork) }
  return answerOnce(controller, once, async () => {
    const found = await findForChange(database.db, principal, reference, region.code)
    const plan = planFork(body, found, { policy, limits: principal.limits, subject, children })
    const rows = await forkSandbox(controller, principal, found, plan)
    const failed = rows.find(hasFailed)
    if (request.isWhole && failed !== undefined) {
      await destroyAll(controller, rows)
      throw new AppError('boot_failed', `A child failed, so there is none: ${failed.lastError ?? 'no reason is known'}`)
    }
    return answerOf(rows)
  })
}

const hasFailed = ({ state }: SandboxRow): boolean => state === 'error' || state === 'destroyed'

async function destroyAll(controller: Controller, rows: SandboxRow[]): Promise<void> {
  for (const row of rows) if (row.state !== 'destroyed') await destroySandbox(controller, row)
}

/** What became of the children of a request that was abandoned: the reconciler finds out about each by what the host has. */
async function settleFork(controller: Controller, request: ForkRequest, fork: string): Promise<Settled> {
  const rows = await controller.database.db
    .select(SANDBOX_COLUMNS)
    .from(sandbox)
    .where(eq(sandbox.fork, fork))
    .orderBy(asc(sandbox.id))
  if (rows.some(({ state }) => state === 'creating' || state === 'provisioning')) return 'later'
  const isLost = request.isWhole ? rows.some(hasFailed) || rows.length < request.count : rows.every(hasFailed)
  if (!isLost) return request.answerOf(rows)
  await destroyAll(controller, rows)
  return 'free'
}
