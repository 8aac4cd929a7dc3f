/** One round trip that wins everything a sandbox needs before a host may be touched, or says why not. */
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Principal, requireStanding } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { sendStatement } from '../database/send-statement.ts'
import { chooseHost } from '../placement/choose-host.ts'
import { NO_SLOT, type NoSlot, withSlot } from '../quota/with-slot.ts'
import type { Claim } from './claim.ts'
import type { SandboxPlan } from './plan-sandbox.ts'

const quota = { granted: z.int(), used: z.int() }
const verdictSchema = z.discriminatedUnion('verdict', [
  z.object({ verdict: z.literal('created') }),
  z.object({ verdict: z.literal('replay'), status: z.int(), response: z.string() }),
  z.object({ verdict: z.literal('in_progress'), sandbox: z.string(), instance: z.int(), alive: z.boolean() }),
  z.object({ verdict: z.enum(['try_again', 'key_reused', 'key_revoked', 'key_unknown']) }),
  z.object({ verdict: z.enum(['concurrency_limit', 'external_limit', 'host_full', 'name_taken']), ...quota }),
])
type Verdict = z.infer<typeof verdictSchema>

export type Admitted =
  | { kind: 'created'; host: string }
  | { kind: 'replay'; status: number; response: string }
  | { kind: 'in_progress'; sandbox: string; instance: number; alive: boolean }

export type Wanted = { id: string; principal: Principal; plan: SandboxPlan; claim: Claim | undefined }

/**
 * Tries hosts in the order of the ledger until one has room. Throws what the caller should hear when none has, or may not; only
 * the last statement can win anything, so when it could not be sent nothing was done.
 */
export const admit = (controller: Controller, wanted: Wanted): Promise<Admitted> =>
  withSlot(controller, wanted.principal, () => tryHosts(controller, wanted)).catch((refusal: unknown) =>
    askAgain(controller, wanted, refusal),
  )

/** While it waited for a slot, the slot that there was may have gone to another request with its key, whose answer is for it, too. */
async function askAgain(controller: Controller, wanted: Wanted, refusal: unknown): Promise<Admitted> {
  const isForSlot = refusal instanceof AppError && SLOT_REFUSALS.has(refusal.code)
  const again = isForSlot && wanted.claim !== undefined ? await tryHosts(controller, wanted) : NO_SLOT
  if (again.kind === 'no_slot') throw refusal
  return again
}

const SLOT_REFUSALS: ReadonlySet<string> = new Set(['concurrency_limit', 'quota_authority_unavailable'])

async function tryHosts(controller: Controller, wanted: Wanted): Promise<Admitted | NoSlot> {
  const except = new Set<string>()
  for (let tries = 0; tries < LIMITS.placementTriesMax; tries++) {
    const host = hostFor(controller, wanted, except)
    // Without a host the question is still asked, of no host: a replay needs none, and a quota is told before room is.
    const verdict = await ask(controller, wanted, host ?? '')
    if (verdict.verdict === 'host_full' && host !== undefined) except.add(host)
    else if (verdict.verdict !== 'try_again') return understand(controller, wanted, verdict, host)
  }
  throw noRoom(wanted.plan)
}

/** What goes on from a snapshot runs where that is. */
function hostFor(controller: Controller, { plan, principal }: Wanted, except: ReadonlySet<string>): string | undefined {
  if (plan.source === null) return chooseHost(controller, { ...plan, tenant: principal.tenant, except })
  return except.has(plan.source.host) ? undefined : plan.source.host
}

async function ask(controller: Controller, wanted: Wanted, host: string): Promise<Verdict> {
  const rows = await sendStatement<{ verdict: unknown }>(controller.database.pool, {
    name: 'admit_sandbox',
    text: 'select admit_sandbox($1::jsonb) as verdict',
    values: [JSON.stringify(requestOf(controller, wanted, host))],
  })
  return verdictSchema.parse(rows[0]?.verdict)
}

function understand(
  controller: Controller,
  wanted: Wanted,
  verdict: Verdict,
  host: string | undefined,
): Admitted | NoSlot {
  switch (verdict.verdict) {
    case 'created':
      if (host === undefined) throw new Error('A sandbox was admitted to no host.')
      controller.ledger.promise(host, wanted.plan.machine)
      return { kind: 'created', host }
    case 'replay':
      return { kind: 'replay', status: verdict.status, response: verdict.response }
    case 'in_progress':
      return { kind: 'in_progress', sandbox: verdict.sandbox, instance: verdict.instance, alive: verdict.alive }
    case 'key_reused':
      throw new AppError('idempotency_key_reused', 'This Idempotency-Key was used for a different request.')
    case 'name_taken':
      throw new AppError('name_taken', `A sandbox named ${JSON.stringify(wanted.plan.name)} exists already.`)
    case 'concurrency_limit':
      return NO_SLOT
    case 'external_limit':
      throw externalLimit(wanted.plan.externalUserId)
    case 'key_revoked':
    case 'key_unknown':
      requireStanding(verdict.verdict)
      throw new Error('A key without standing was let through.')
    case 'host_full':
    case 'try_again':
      throw noRoom(wanted.plan)
  }
}

export const externalLimit = (externalUser: string | null): AppError =>
  new AppError('concurrency_limit', 'This end user has as many sandboxes running here as their limit allows.', {
    details: { external_user_id: externalUser },
  })

export const noRoom = ({ machine }: Pick<SandboxPlan, 'machine'>): AppError =>
  new AppError(
    'capacity_exhausted',
    `No host in this region can fit ${machine.memoryMib} MiB of memory and ${machine.diskMib} MiB of disk now.`,
  )

/** In the names of the table's columns, because the function fills a row from it. */
const requestOf = (controller: Controller, { id, principal, plan, claim }: Wanted, host: string) => ({
  key: principal.key,
  external_max: principal.externalMax,
  claim:
    claim === undefined
      ? null
      : { route: claim.route, key: claim.key, fingerprint: claim.fingerprint, ttl_sec: LIMITS.idempotencyTtlSec },
  sandbox: {
    id,
    tenant: principal.tenant,
    name: plan.name,
    slug: plan.slug,
    workspace: plan.workspace,
    host,
    instance: controller.instance.number,
    template: plan.template,
    vcpus: plan.machine.vcpus,
    memory_mib: plan.machine.memoryMib,
    disk_mib: plan.machine.diskMib,
    timeout_sec: plan.timeoutSec,
    idle_timeout_sec: plan.idleTimeoutSec,
    always_on: plan.alwaysOn,
    persistent: plan.persistent,
    env: plan.env,
    metadata: plan.metadata,
    tags: plan.tags,
    external_workspace_id: plan.externalWorkspaceId,
    external_user_id: plan.externalUserId,
    external_project_id: plan.externalProjectId,
    egress: plan.egress,
    ...plan.wayOut.columns,
  },
})
