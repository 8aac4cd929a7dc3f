/** Rules of one tenant: listed, made and removed. A rule is never changed, so that what the log names is what decided. */
import { and, eq, isNull } from 'drizzle-orm'
import type { CreateRuleBody, RuleRecord, RulesQuery } from '../../../shared/contracts/egress.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { newAccountId } from '../accounts/account-id.ts'
import type { Principal } from '../accounts/principal.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { egressPolicy, egressRule, type RuleRow } from '../database/schema/egress.ts'
import { changeEgress } from './change-egress.ts'
import { requireRoomOfTenant } from './make-room.ts'
import {
  kept,
  naming,
  noSuch,
  one,
  pageOf,
  plainId,
  removed,
  requireResource,
  requireRoom,
  typeOf,
} from './rows-of-tenant.ts'

export const toRuleRecord = (row: RuleRow): RuleRecord => ({
  id: row.id,
  host: row.host,
  effect: row.effect,
  methods: row.methods,
  path_glob: row.pathGlob,
  ports: row.ports,
  policy_id: row.policy,
  note: row.note,
  resource_id: row.resource,
  resource_type: typeOf(row.resource),
  created_at: row.createdAt.toISOString(),
})

export const listRules = (db: Db, tenant: string, page: RulesQuery) =>
  pageOf(db, egressRule, {
    tenant,
    page,
    filters: [naming(egressRule.resource, page.resource_id), naming(egressRule.policy, page.policy_id)],
  })

/** Throws account_limit, sandbox_not_found, not_found for the policy, invalid_request when that is for another sandbox. */
export async function createRule(controller: Controller, principal: Principal, body: CreateRuleBody): Promise<RuleRow> {
  const { tenant } = principal
  const { clock, region } = controller
  await requireResource(controller, tenant, body.resource_id ?? null)
  return changeEgress(controller, principal, async (tx, version) => {
    const resource = await resourceOf(tx, tenant, body)
    await requireRoomFor(tx, tenant, resource)
    await requireRoomOfTenant(tx, egressRule, { tenant, version, region }, LIMITS.egressRowsPerTenantMax, 'rules')
    const [row] = await tx
      .insert(egressRule)
      .values({
        id: newAccountId('erul', clock()),
        tenant,
        resource,
        policy: body.policy_id ?? null,
        host: body.host,
        effect: body.effect,
        methods: body.methods ?? null,
        pathGlob: body.path_glob ?? null,
        ports: body.ports ?? null,
        note: body.note ?? null,
        createdAt: new Date(clock()),
        version,
      })
      .returning()
    if (row === undefined) throw new Error('A rule was not written.')
    return { value: row, resource }
  })
}

/** Throws not_found. */
export async function removeRule(controller: Controller, principal: Principal, id: string): Promise<void> {
  await changeEgress(controller, principal, async (tx, version) => {
    const [row] = await tx
      .update(egressRule)
      .set({ ...removed, version })
      .where(one(egressRule, principal.tenant, plainId(id)))
      .returning()
    if (row === undefined) throw noSuch('rule')
    return { value: row, resource: row.resource }
  })
}

/** A rule that is a part of a policy is for what that is for. */
async function resourceOf(
  tx: AccountTx,
  tenant: string,
  { policy_id: policy, resource_id: resource }: CreateRuleBody,
): Promise<string | null> {
  if (policy === null || policy === undefined) return resource ?? null
  const [found] = await tx
    .select()
    .from(egressPolicy)
    .where(one(egressPolicy, tenant, plainId(policy)))
  if (found === undefined) throw noSuch('policy')
  if ((resource ?? found.resource) === found.resource) return found.resource
  throw new AppError('invalid_request', 'The policy is not for this sandbox.', {
    details: { resource_id: ['must be left out, or be that of the policy'] },
  })
}

async function requireRoomFor(tx: AccountTx, tenant: string, resource: string | null): Promise<void> {
  const all = kept(egressRule, tenant)
  if (resource === null)
    await requireRoom(
      tx,
      egressRule,
      and(all, isNull(egressRule.resource)),
      LIMITS.egressRulesOfTenantMax,
      'rules for all sandboxes',
    )
  else
    await requireRoom(
      tx,
      egressRule,
      and(all, eq(egressRule.resource, resource)),
      LIMITS.egressRulesOfSandboxMax,
      'rules for a sandbox',
    )
}
