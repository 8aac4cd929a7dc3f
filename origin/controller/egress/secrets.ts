/** Secrets of one tenant: listed, read, set, changed and removed. Their values are sealed in the rows, and opened for hosts only. */
import { and, eq, isNull, type SQL, sql } from 'drizzle-orm'
import type { CreateSecretBody, SecretsQuery, UpdateSecretBody } from '../../../shared/contracts/egress-secrets.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { newAccountId } from '../accounts/account-id.ts'
import type { Principal } from '../accounts/principal.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { egressBinding, egressSecret, type SecretRow } from '../database/schema/egress.ts'
import { type Changed, changeEgress } from './change-egress.ts'
import { requireRoomOfTenant } from './make-room.ts'
import { kept, noSuch, one, pageOf, plainId, removed, requireResource } from './rows-of-tenant.ts'
import { hostsOf, mask, refuseRefreshToken } from './secret-record.ts'

const PLACEHOLDER_BYTES = 24

export const listSecrets = (db: Db, tenant: string, page: SecretsQuery) =>
  pageOf(db, egressSecret, { tenant, page, filters: filtersOf(page) })

function filtersOf(query: SecretsQuery): SQL[] {
  const columns = {
    name: egressSecret.name,
    type: egressSecret.type,
    scope: egressSecret.scope,
    workspace_id: egressSecret.workspaceId,
    owner_user_id: egressSecret.ownerUserId,
    external_user_id: egressSecret.externalUserId,
    external_workspace_id: egressSecret.externalWorkspaceId,
    resource_id: egressSecret.resource,
  } as const
  return Object.entries(columns).flatMap(([field, column]) => {
    const wanted = query[field as keyof typeof columns]
    // No store takes NUL, so nothing has it.
    return wanted === undefined ? [] : [wanted.includes('\0') ? sql`false` : eq(column, wanted)]
  })
}

export async function findSecret(db: Pick<Db, 'select'>, tenant: string, id: string): Promise<SecretRow> {
  const [row] = await db
    .select()
    .from(egressSecret)
    .where(one(egressSecret, tenant, plainId(id)))
  if (row === undefined) throw noSuch('secret')
  return row
}

/** A secret of the same name and owner is set anew and keeps its id. Throws account_limit, not_supported, sandbox_not_found. */
export async function setSecret(
  controller: Controller,
  principal: Principal,
  body: CreateSecretBody,
): Promise<SecretRow> {
  refuseRefreshToken(body)
  const { tenant } = principal
  const { accounts, clock, random } = controller
  const owner = ownerOf(body)
  await requireResource(controller, tenant, owner.resource)
  const fields = {
    type: body.type,
    scope: body.scope,
    exposeAsEnv: body.expose_as_env ?? null,
    hosts: hostsOf(body),
    metadata: body.metadata ?? {},
    value: accounts.secrets.seal(body.value),
    maskedValue: mask(body.value),
    expiresAt: momentOf(body.expires_at),
    changedAt: new Date(clock()),
  }
  return changeEgress(controller, principal, async (tx, version) => {
    const same = and(kept(egressSecret, tenant), eq(egressSecret.name, body.name), isOwnedBy(owner))
    const [again] = await tx
      .update(egressSecret)
      .set({ ...fields, version })
      .where(same)
      .returning()
    if (again !== undefined) return said(again)
    const saying = { tenant, version, region: controller.region }
    await requireRoomOfTenant(tx, egressSecret, saying, LIMITS.egressSecretsPerTenantMax, 'secrets')
    const placeholder = `atoll_secret_${Buffer.from(random(PLACEHOLDER_BYTES)).toString('hex')}`
    const [made] = await tx
      .insert(egressSecret)
      .values({
        ...fields,
        ...owner,
        id: newAccountId('esec', clock()),
        tenant,
        name: body.name,
        placeholder,
        createdAt: new Date(clock()),
        version,
      })
      .returning()
    if (made === undefined) throw new Error('A secret was not written.')
    return said(made)
  })
}

/** Throws not_found, not_supported. */
export async function updateSecret(
  controller: Controller,
  principal: Principal,
  id: string,
  body: UpdateSecretBody,
): Promise<SecretRow> {
  refuseRefreshToken(body)
  const { accounts, clock } = controller
  const { value, hosts, metadata } = body
  const fields = {
    ...(hosts === undefined ? {} : { hosts }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(body.expose_as_env === undefined ? {} : { exposeAsEnv: body.expose_as_env }),
    ...(body.expires_at === undefined ? {} : { expiresAt: momentOf(body.expires_at) }),
    ...(value === undefined
      ? {}
      : { value: accounts.secrets.seal(value), maskedValue: mask(value), changedAt: new Date(clock()) }),
  }
  return changeEgress(controller, principal, async (tx, version) => {
    const [row] = await tx
      .update(egressSecret)
      .set({ ...fields, version })
      .where(one(egressSecret, principal.tenant, plainId(id)))
      .returning()
    if (row === undefined) throw noSuch('secret')
    return said(row)
  })
}

/** With its bindings. Nothing of its value is left. Throws not_found. */
export async function removeSecret(controller: Controller, principal: Principal, id: string): Promise<void> {
  const { tenant } = principal
  await changeEgress(controller, principal, async (tx, version) => {
    const [row] = await tx
      .update(egressSecret)
      .set({ ...removed, value: '', maskedValue: '', version })
      .where(one(egressSecret, tenant, plainId(id)))
      .returning()
    if (row === undefined) throw noSuch('secret')
    await endBindings(tx, tenant, row.id, version)
    return said(row)
  })
}

async function endBindings(tx: AccountTx, tenant: string, secret: string, version: number): Promise<void> {
  await tx
    .update(egressBinding)
    .set({ ...removed, version })
    .where(and(kept(egressBinding, tenant), eq(egressBinding.secret, secret)))
}

/** Others that it is bound to are found by the reconciler. */
const said = (row: SecretRow): Changed<SecretRow> => ({ value: row, resource: row.resource })

const momentOf = (text: string | null | undefined): Date | null =>
  text === null || text === undefined ? null : new Date(text)

type OwnerFields = ReturnType<typeof ownerOf>
const ownerOf = (body: CreateSecretBody) => ({
  resource: body.resource_id ?? null,
  workspaceId: body.workspace_id ?? null,
  ownerUserId: body.owner_user_id ?? null,
  externalUserId: body.external_user_id ?? null,
  externalWorkspaceId: body.external_workspace_id ?? null,
})

const isOwnedBy = (owner: OwnerFields): SQL | undefined =>
  and(
    ...Object.entries(owner).map(([field, value]) => {
      const column = egressSecret[field as keyof OwnerFields]
      return value === null ? isNull(column) : eq(column, value)
    }),
  )
