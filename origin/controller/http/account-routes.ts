/** The routes of the rest of a tenant's accounts: workspaces, the limits of its own users, its plan. */
import { ACCOUNT_ROUTES } from '../../../shared/contracts/accounts.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { changeAccounts, makeInAccounts } from '../accounts/change-accounts.ts'
import { readExternalLimit, writeExternalLimit } from '../accounts/external-limits.ts'
import { limitsAnswer } from '../accounts/key-answer.ts'
import { tenantWithTier } from '../accounts/make-key.ts'
import { type Principal, requireOwner } from '../accounts/principal.ts'
import { slugOf } from '../accounts/slug.ts'
import {
  changeWorkspace,
  findWorkspace,
  listWorkspaces,
  makeWorkspace,
  workspaceAnswer,
} from '../accounts/workspaces.ts'
import { onceKeyOf } from './once-key.ts'
import { json, type Serve } from './serve-route.ts'

export function serveAccounts(serve: Serve<Principal>): void {
  serveWorkspaces(serve)
  serveExternalLimits(serve)

  serve(ACCOUNT_ROUTES.plan, async ({ controller, principal }) => {
    const { id, name, tier, status } = await tenantWithTier(controller.database.db, principal.tenant)
    return json({ data: { tenant_id: id, name, plan: tier, tier, status, limits: limitsAnswer(principal.limits) } })
  })
}

function serveWorkspaces(serve: Serve<Principal>): void {
  serve(ACCOUNT_ROUTES.listWorkspaces, async ({ controller, principal, query }) => {
    requireOwner(principal)
    const { rows, nextCursor } = await listWorkspaces(controller.database.db, principal.tenant, query)
    return json({ data: rows.map(workspaceAnswer), next_cursor: nextCursor })
  })

  serve(ACCOUNT_ROUTES.getWorkspace, async ({ controller, principal, reference }) => {
    requireOwner(principal)
    return json({ data: workspaceAnswer(await findWorkspace(controller.database.db, principal.tenant, reference)) })
  })

  serve(ACCOUNT_ROUTES.createWorkspace, async ({ controller, principal, body, ...call }) => {
    const { tenant } = principal
    const wish = { tenant, name: body.name, slug: body.slug ?? slugOf(body.name), nowMs: controller.clock() }
    const { text, isReplay } = await makeInAccounts(
      controller,
      principal,
      onceKeyOf(call, tenant, 'workspaces'),
      async (tx, version) => workspaceAnswer(await makeWorkspace(tx, { ...wish, version })),
    )
    return { text, headers: isReplay ? { 'idempotent-replayed': 'true' } : {} }
  })

  serve(ACCOUNT_ROUTES.updateWorkspace, async ({ controller, principal, reference, body }) => {
    const place = { tenant: principal.tenant, reference }
    const changed = await changeAccounts(controller, principal, (tx, version) =>
      changeWorkspace(tx, version, place, { name: body.name }),
    )
    return json({ data: workspaceAnswer(changed) })
  })

  serve(ACCOUNT_ROUTES.deleteWorkspace, async ({ controller, principal, reference }) => {
    const place = { tenant: principal.tenant, reference }
    await changeAccounts(controller, principal, (tx, version) =>
      changeWorkspace(tx, version, place, { status: 'deleted' }),
    )
    return { text: null }
  })
}

function serveExternalLimits(serve: Serve<Principal>): void {
  serve(ACCOUNT_ROUTES.getExternalLimit, async ({ controller, principal, params }) => {
    requireOwner(principal)
    const externalUser = externalUserOf(params)
    const concurrency = await readExternalLimit(controller.database.db, principal.tenant, externalUser)
    return json({ data: { external_user_id: externalUser, concurrency } })
  })

  serve(ACCOUNT_ROUTES.putExternalLimit, async ({ controller, principal, params, body }) => {
    const user = { tenant: principal.tenant, externalUser: externalUserOf(params) }
    await changeAccounts(controller, principal, (tx, version) =>
      writeExternalLimit(tx, version, user, body.concurrency),
    )
    return json({ data: { external_user_id: user.externalUser, concurrency: body.concurrency } })
  })

  serve(ACCOUNT_ROUTES.deleteExternalLimit, async ({ controller, principal, params }) => {
    const user = { tenant: principal.tenant, externalUser: externalUserOf(params) }
    await changeAccounts(controller, principal, (tx, version) => writeExternalLimit(tx, version, user, null))
    return { text: null }
  })
}

function externalUserOf({ user = '' }: Record<string, string>): string {
  if (user.length <= LIMITS.externalIdCharsMax && user.isWellFormed() && !user.includes('\0')) return user
  throw new AppError('not_found', 'No user can have this id.')
}
