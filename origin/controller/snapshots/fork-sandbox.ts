/**
 * Forks a sandbox that runs into children on the same host. One that is paused is woken first, because what stands still has nowhere to go
 * on from. All children win their slots and their room together; their rows are written before the host is asked, so that a controller
 * that dies in between leaves them to the reconciler. The parent's row does not move: it goes on.
 */
import type { VmSpec } from '../../../shared/contracts/host.ts'
import type { ForkAnswer } from '../../../shared/contracts/host-snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { idToLabel } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { giveWaysOut } from '../egress/children-ways-out.ts'
import type { Answer, Trouble } from '../hosts/outcome.ts'
import { isPausedThere } from '../sandboxes/ask-awake.ts'
import { readAgain } from '../sandboxes/await-settled.ts'
import { clearHost } from '../sandboxes/clear-host.ts'
import { deadlinesFrom } from '../sandboxes/deadlines.ts'
import { hostOf, isLost, loseSandbox } from '../sandboxes/lose-sandbox.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { ensureRunning } from '../sandboxes/resume-sandbox.ts'
import { admitChildren, machineOf } from './admit-children.ts'
import { askTwice } from './ask-twice.ts'
import type { ForkPlan } from './plan-fork.ts'
import { settleChild } from './settle-child.ts'

/** The rows of the children, in order; one that failed is in `error`. Throws when there is none that runs, and then none is left. */
export async function forkSandbox(
  controller: Controller,
  principal: Principal,
  found: SandboxRow,
  plan: ForkPlan,
): Promise<SandboxRow[]> {
  for (const id of plan.children) controller.inFlight.add(id)
  try {
    const parent = await admitAll(controller, principal, found, plan)
    const specs = await specsOf(controller, parent, plan).catch(async (thrown: unknown) => {
      for (const id of plan.children) await dropChild(controller, id, parent.host, true)
      throw thrown
    })
    const answer = await askHost(controller, principal, parent, specs)
    if (answer.kind !== 'done') throw await giveUp(controller, parent, plan, answer)
    return await settleAll(controller, parent, specs, answer.value)
  } finally {
    for (const id of plan.children) controller.inFlight.delete(id)
  }
}

/** The running parent, beside which all children have their places. */
async function admitAll(
  controller: Controller,
  principal: Principal,
  found: SandboxRow,
  plan: ForkPlan,
): Promise<SandboxRow> {
  let parent = found
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    parent = await ensureRunning(controller, principal, parent)
    hostOf(controller, parent)
    if ((await admitChildren(controller, principal, parent, plan)) === 'created') return parent
    parent = await readAgain(controller, parent)
  }
  throw new AppError('state_conflict', 'Other requests move this sandbox all the time.', { retryAfterSec: 1 })
}

/** A host whose clock has paused the parent since has forked nothing: it is woken, and asked for the same children again. */
async function askHost(
  controller: Controller,
  principal: Principal,
  found: SandboxRow,
  children: VmSpec[],
): Promise<Answer<ForkAnswer>> {
  const { db } = controller.database
  let parent = found
  for (let tries = 1; ; tries++) {
    const host = hostOf(controller, parent)
    const answer = await askTwice(controller, () => host.fork(parent.id, { children }))
    if (answer.kind === 'done' || !isPausedThere(answer) || tries >= LIMITS.changeTriesMax) return answer
    const paused = await moveSandbox(db, parent.id, 'pause', { revision: parent.revision })
    try {
      parent = await ensureRunning(controller, principal, paused ?? (await readAgain(controller, parent)))
    } catch (thrown) {
      if (thrown instanceof AppError) return { kind: 'refused', error: thrown }
      throw thrown
    }
  }
}

async function specsOf(controller: Controller, parent: SandboxRow, plan: ForkPlan): Promise<VmSpec[]> {
  const externalUserId = plan.externalUserId ?? parent.externalUserId
  const waysOut = await giveWaysOut(
    controller,
    parent,
    plan.children.map((id) => ({ id, externalUserId })),
  )
  return plan.children.map((id) => {
    const egress = waysOut.get(id)
    return {
      id,
      template: parent.template,
      machine: machineOf(parent),
      hostname: idToLabel(id),
      // Theirs is what the parent's memory has.
      env: {},
      ...(egress === undefined ? {} : { egress }),
      ...deadlinesFrom({ ...parent, timeoutSec: plan.timeoutSec ?? parent.timeoutSec }, controller.clock()),
    }
  })
}

/** Whoever asked hears why there is no child, and has no use for the rows of any. */
async function giveUp(controller: Controller, parent: SandboxRow, plan: ForkPlan, trouble: Trouble): Promise<AppError> {
  for (const id of plan.children) await dropChild(controller, id, parent.host, trouble.kind === 'refused')
  return isLost(trouble) ? loseSandbox(controller, parent, trouble) : trouble.error
}

async function dropChild(controller: Controller, id: string, host: string, isGone: boolean): Promise<void> {
  const dropped = await moveSandbox(controller.database.db, id, 'destroy', { isGone })
  if (dropped !== undefined && !isGone) await clearHost(controller, { id, host })
}

async function settleAll(
  controller: Controller,
  parent: SandboxRow,
  specs: VmSpec[],
  answer: ForkAnswer,
): Promise<SandboxRow[]> {
  const said = new Map(answer.children.map((child) => [child.kind === 'made' ? child.vm.id : child.id, child]))
  const settled = await Promise.all(specs.map((spec) => settleChild(controller, parent.host, spec, said.get(spec.id))))
  if (settled.some(({ trouble }) => trouble === undefined)) return settled.flatMap(({ row }) => row ?? [])
  for (const { id } of specs) await dropChild(controller, id, parent.host, false)
  throw settled.find(({ trouble }) => trouble !== undefined)?.trouble ?? new Error('A fork without children.')
}
