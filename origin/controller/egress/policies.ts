/** Policies of one tenant: listed, made, changed and removed. */
import { and, eq, isNull } from 'drizzle-orm'
import type {
  CreatePolicyBody,
  EgressListQuery,
  PolicyRecord,
  UpdateOnePolicyBody,
  UpdatePolicyBody,
} from '../../../shared/contracts/egress.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { newAccountId } from '../accounts/account-id.ts'
import type { Principal } from '../accounts/principal.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { egressPolicy, egressRule, type PolicyRow } from '../database/schema/egress.ts'
import { type Changed, changeEgress } from './change-egress.ts'
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

export const toPolicyRecord = (row: PolicyRow): PolicyRecord => ({
  id: row.id,
  name: row.name,
  mode: row.mode,
  default_effect: row.defaultEffect,
  resource_id: row.resource,
  resource_type: typeOf(row.resource),
  created_at: row.createdAt.toISOString(),
})

export const listPolicies = (db: Db, tenant: string, page: EgressListQuery) =>
  pageOf(db, egressPolicy, { tenant, page, filters: [naming(egressPolicy.resource, page.resource_id)] })

/** Throws account_limit, sandbox_not_found. */
export async function createPolicy(
  controller: Controller,
  principal: Principal,
  body: CreatePolicyBody,
): Promise<PolicyRow> {
  const resource = body.resource_id ?? null
  await requireResource(controller, principal.tenant, resource)
  return changeEgress(controller, principal, async (tx, version) =>
    said(await insert(controller, tx, { tenant: principal.tenant, resource, version, body })),
  )
}

/** Throws not_found. */
export async function updatePolicy(
  controller: Controller,
  principal: Principal,
  id: string,
  body: UpdatePolicyBody,
): Promise<PolicyRow> {
  return changeEgress(controller, principal, async (tx, version) => {
    const [row] = await tx
      .update(egressPolicy)
      .set({ ...fieldsOf(body), version })
      .where(one(egressPolicy, principal.tenant, plainId(id)))
      .returning()
    if (row === undefined) throw noSuch('policy')
    return said(row)
  })
}

/** Every one, because the stricter of two counts: after this the sandbox, or all of them, goes by what was asked for. */
export async function updateOnlyPolicy(
  controller: Controller,
  principal: Principal,
  body: UpdateOnePolicyBody,
): Promise<PolicyRow> {
  const { tenant } = principal
  const resource = body.resource_id ?? null
  await requireResource(controller, tenant, resource)
  return changeEgress(controller, principal, async (tx, version) => {
    const changed = await tx
      .update(egressPolicy)
      .set({ ...fieldsOf(body), version })
      .where(and(kept(egressPolicy, tenant), isFor(resource)))
      .returning()
    const newest = changed.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0]
    return said(newest ?? (await insert(controller, tx, { tenant, resource, version, body })))
  })
}

/** With the rules that are a part of it. Throws not_found. */
export async function removePolicy(controller: Controller, principal: Principal, id: string): Promise<void> {
  const { tenant } = principal
  await changeEgress(controller, principal, async (tx, version) => {
    const [row] = await tx
      .update(egressPolicy)
      .set({ ...removed, version })
      .where(one(egressPolicy, tenant, plainId(id)))
      .returning()
    if (row === undefined) throw noSuch('policy')
    await tx
      .update(egressRule)
      .set({ ...removed, version })
      .where(and(kept(egressRule, tenant), eq(egressRule.policy, row.id)))
    return said(row)
  })
}

const said = (row: PolicyRow): Changed<PolicyRow> => ({ value: row, resource: row.resource })

const isFor = (resource: string | null) =>
  resource === null ? isNull(egressPolicy.resource) : eq(egressPolicy.resource, resource)

const fieldsOf = ({ name, mode, default_effect }: UpdatePolicyBody) => ({
  ...(name === undefined ? {} : { name }),
  ...(mode === undefined ? {} : { mode }),
  ...(default_effect === undefined ? {} : { defaultEffect: default_effect }),
})

type Made = { tenant: string; resource: string | null; version: number; body: UpdatePolicyBody }

async function insert(
  { clock, region }: Controller,
  tx: AccountTx,
  { tenant, resource, version, body }: Made,
): Promise<PolicyRow> {
  const ofSame = and(kept(egressPolicy, tenant), isFor(resource))
  await requireRoom(tx, egressPolicy, ofSame, LIMITS.egressPoliciesOfOneMax, 'policies for the same')
  await requireRoomOfTenant(tx, egressPolicy, { tenant, version, region }, LIMITS.egressRowsPerTenantMax, 'policies')
  const [row] = await tx
    .insert(egressPolicy)
    .values({
      id: newAccountId('epol', clock()),
      tenant,
      resource,
      name: 'default',
      mode: 'enforce',
      defaultEffect: 'deny',
      ...fieldsOf(body),
      createdAt: new Date(clock()),
      version,
    })
    .returning()
  if (row === undefined) throw new Error('A policy was not written.')
  return row
}
