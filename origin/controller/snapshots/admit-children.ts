/** One round trip in which all children of a fork win what they need beside their parent, or none does. */
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { type Principal, requireStanding } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { NO_SLOT, type NoSlot, withSlot } from '../quota/with-slot.ts'
import { externalLimit, noRoom } from '../sandboxes/admit.ts'
import type { ForkPlan } from './plan-fork.ts'

const verdictSchema = z.object({
  verdict: z.enum([
    'created',
    'elsewhere',
    'key_revoked',
    'key_unknown',
    'concurrency_limit',
    'external_limit',
    'host_full',
    'name_taken',
  ]),
})

/** `elsewhere`: the parent does not run. Throws what the caller should hear when there is no room for all of them; then there is none. */
export async function admitChildren(
  controller: Controller,
  principal: Principal,
  parent: SandboxRow,
  plan: ForkPlan,
): Promise<'created' | 'elsewhere'> {
  const admitted = await withSlot(
    controller,
    principal,
    () => ask(controller, principal, parent, plan),
    plan.children.length,
  )
  if (admitted.kind === 'created')
    for (const _ of plan.children) controller.ledger.promise(parent.host, machineOf(parent))
  return admitted.kind
}

async function ask(
  controller: Controller,
  principal: Principal,
  parent: SandboxRow,
  plan: ForkPlan,
): Promise<{ kind: 'created' | 'elsewhere' } | NoSlot> {
  const { rows } = await controller.database.pool.query<{ verdict: unknown }>({
    name: 'admit_children',
    text: 'select admit_children($1::jsonb) as verdict',
    values: [JSON.stringify(requestOf(controller, principal, parent, plan))],
  })
  const { verdict } = verdictSchema.parse(rows[0]?.verdict)
  switch (verdict) {
    case 'created':
    case 'elsewhere':
      return { kind: verdict }
    case 'concurrency_limit':
      return NO_SLOT
    case 'external_limit':
      throw externalLimit(plan.externalUserId ?? parent.externalUserId)
    case 'name_taken':
      throw new AppError('name_taken', `A sandbox named ${JSON.stringify(plan.name)} exists already.`)
    case 'host_full':
      throw noRoom({ machine: machineOf(parent) })
    case 'key_revoked':
    case 'key_unknown':
      requireStanding(verdict)
      throw new Error('A key without standing was let through.')
  }
}

export const machineOf = ({ vcpus, memoryMib, diskMib }: SandboxRow) => ({ vcpus, memoryMib, diskMib })

const requestOf = ({ instance }: Controller, principal: Principal, parent: SandboxRow, plan: ForkPlan) => ({
  key: principal.key,
  external_max: principal.externalMax,
  parent: parent.id,
  children: plan.children,
  instance: instance.number,
  timeout_sec: plan.timeoutSec,
  name: plan.name,
  metadata: plan.metadata,
  external_user_id: plan.externalUserId,
})
