/** Which sandboxes have which secrets, beside those that the secrets themselves are for. */
import { and, eq } from 'drizzle-orm'
import type { BindingRecord, BindingsQuery, CreateBindingBody } from '../../../shared/contracts/egress-secrets.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { newAccountId } from '../accounts/account-id.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type BindingRow, egressBinding } from '../database/schema/egress.ts'
import { changeEgress } from './change-egress.ts'
import { requireRoomOfTenant } from './make-room.ts'
import { kept, naming, noSuch, one, pageOf, plainId, removed, requireResource, requireRoom } from './rows-of-tenant.ts'
import { findSecret } from './secrets.ts'

export const toBindingRecord = (row: BindingRow): BindingRecord => ({
  id: row.id,
  secret_id: row.secret,
  resource_id: row.resource,
  resource_type: 'sandbox',
  expose_as_env: row.exposeAsEnv,
  created_at: row.createdAt.toISOString(),
})

export const listBindings = (db: Db, tenant: string, page: BindingsQuery) =>
  pageOf(db, egressBinding, {
    tenant,
    page,
    filters: [naming(egressBinding.resource, page.resource_id), naming(egressBinding.secret, page.secret_id)],
  })

/** The same secret for the same sandbox again replaces what was. Throws not_found, sandbox_not_found, account_limit. */
export async function createBinding(
  controller: Controller,
  principal: Principal,
  body: CreateBindingBody,
): Promise<BindingRow> {
  const { tenant } = principal
  const { clock, region } = controller
  await requireResource(controller, tenant, body.resource_id)
  return changeEgress(controller, principal, async (tx, version) => {
    const secret = await findSecret(tx, tenant, body.secret_id)
    const ofSandbox = and(kept(egressBinding, tenant), eq(egressBinding.resource, body.resource_id))
    await tx
      .update(egressBinding)
      .set({ ...removed, version })
      .where(and(ofSandbox, eq(egressBinding.secret, secret.id)))
    await requireRoom(tx, egressBinding, ofSandbox, LIMITS.egressBindingsOfSandboxMax, 'secrets bound to a sandbox')
    await requireRoomOfTenant(tx, egressBinding, { tenant, version, region }, LIMITS.egressRowsPerTenantMax, 'bindings')
    const [row] = await tx
      .insert(egressBinding)
      .values({
        id: newAccountId('ebnd', clock()),
        tenant,
        secret: secret.id,
        resource: body.resource_id,
        exposeAsEnv: body.expose_as_env ?? null,
        createdAt: new Date(clock()),
        version,
      })
      .returning()
    if (row === undefined) throw new Error('A binding was not written.')
    return { value: row, resource: row.resource }
  })
}

/** Throws not_found. */
export async function removeBinding(controller: Controller, principal: Principal, id: string): Promise<void> {
  await changeEgress(controller, principal, async (tx, version) => {
    const [row] = await tx
      .update(egressBinding)
      .set({ ...removed, version })
      .where(one(egressBinding, principal.tenant, plainId(id)))
      .returning()
    if (row === undefined) throw noSuch('binding')
    return { value: row, resource: row.resource }
  })
}
