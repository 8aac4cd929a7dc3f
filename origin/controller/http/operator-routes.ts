/** The routes of the people who run the installation: tenants, their first keys, and tiers. */
import { OPERATOR_ROUTES, tierNameSchema } from '../../../shared/contracts/operators.ts'
import { AppError } from '../../../shared/errors.ts'
import { revokeKey } from '../accounts/end-key.ts'
import { wishOf } from '../accounts/key-wish.ts'
import { makeKey } from '../accounts/make-key.ts'
import { reissueNow } from '../accounts/reissue.ts'
import { changeTenant, listTenants, makeTenant, readTenant, tenantAnswer } from '../accounts/tenants.ts'
import { readTiers, writeTier } from '../accounts/tiers.ts'
import { type AccountTx, withAccountWrite } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import { json, type Serve } from './serve-route.ts'

export function serveOperators(serve: Serve<null>): void {
  serveTenants(serve)
  serveTiers(serve)

  serve(OPERATOR_ROUTES.reissue, async ({ controller }) => {
    await reissueNow(controller.database.db)
    controller.accounts.changed()
    return { text: null }
  })
}

function serveTenants(serve: Serve<null>): void {
  serve(OPERATOR_ROUTES.createTenant, async ({ controller, body }) => {
    const wish = { ...body, nowMs: controller.clock() }
    const made = await write(controller, (tx, version) => makeTenant(tx, { ...wish, version }))
    return json({ data: tenantAnswer(made) })
  })

  serve(OPERATOR_ROUTES.listTenants, async ({ controller, query }) => {
    const { rows, nextCursor } = await listTenants(controller.database.db, query)
    return json({ data: rows.map(tenantAnswer), next_cursor: nextCursor })
  })

  serve(OPERATOR_ROUTES.getTenant, async ({ controller, reference }) =>
    json({ data: tenantAnswer(await readTenant(controller.database.db, reference)) }),
  )

  serve(OPERATOR_ROUTES.updateTenant, async ({ controller, reference, body }) => {
    const changed = await write(controller, (tx, version) => changeTenant(tx, version, reference, body))
    return json({ data: tenantAnswer(changed) })
  })

  serve(OPERATOR_ROUTES.createTenantKey, async ({ controller, reference, body }) => {
    const wish = wishOf(body)
    const made = await write(controller, (tx, version) => makeKey(controller, tx, version, reference, null, wish))
    return { ...json({ data: made }), headers: { 'cache-control': 'no-store' } }
  })

  serve(OPERATOR_ROUTES.revokeTenantKey, async ({ controller, reference, params }) => {
    await write(controller, (tx, version) => revokeKey(tx, version, reference, params.key ?? ''))
    return { text: null }
  })
}

function serveTiers(serve: Serve<null>): void {
  serve(OPERATOR_ROUTES.listTiers, async ({ controller }) => json({ data: await readTiers(controller.database.db) }))

  serve(OPERATOR_ROUTES.putTier, async ({ controller, params, body }) => {
    const name = tierNameSchema.safeParse(params.name)
    if (!name.success) throw new AppError('not_found', 'No tier can have this name.')
    await writeTier(controller.database.db, name.data, body)
    controller.accounts.changed()
    return json({ data: body })
  })
}

async function write<T>(
  { accounts, database }: Controller,
  work: (tx: AccountTx, version: number) => Promise<T>,
): Promise<T> {
  const written = await withAccountWrite(database.db, work)
  accounts.changed()
  return written
}
