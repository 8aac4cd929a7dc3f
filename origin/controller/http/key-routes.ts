/** The routes of API keys: parse, call, translate. Whoever speaks for less than the tenant manages none of them. */
import { ACCOUNT_ROUTES } from '../../../shared/contracts/accounts.ts'
import type { OnceAnswer } from '../accounts/answer-once.ts'
import { changeAccounts, makeInAccounts } from '../accounts/change-accounts.ts'
import { revokeKey, rotateKey } from '../accounts/end-key.ts'
import { findKeyOfTenant, listKeysOfTenant } from '../accounts/find-keys.ts'
import { keyAnswer } from '../accounts/key-answer.ts'
import { wishOf } from '../accounts/key-wish.ts'
import { type KeyWish, makeKey } from '../accounts/make-key.ts'
import { type Principal, requireOwner } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { onceKeyOf } from './once-key.ts'
import { json, type Outcome, type Serve } from './serve-route.ts'

export function serveKeys(serve: Serve<Principal>): void {
  serve(ACCOUNT_ROUTES.createKey, (call) => create(call, wishOf(call.body), 'api-keys'))
  serve(ACCOUNT_ROUTES.createScopedKey, (call) => create(call, wishOf(call.body), 'api-keys/scoped'))

  serve(ACCOUNT_ROUTES.listKeys, async ({ controller, principal, query }) => {
    requireOwner(principal)
    const { rows, nextCursor } = await listKeysOfTenant(controller.database.db, principal.tenant, query)
    const data = rows.map(({ row, limits }) => keyAnswer(row, limits, controller.clock()))
    return json({ data, next_cursor: nextCursor })
  })

  serve(ACCOUNT_ROUTES.getKey, async ({ controller, principal, reference }) => {
    requireOwner(principal)
    const { row, limits } = await findKeyOfTenant(controller.database.db, principal.tenant, reference)
    return json({ data: keyAnswer(row, limits, controller.clock()) })
  })

  serve(ACCOUNT_ROUTES.rotateKey, async ({ controller, principal, reference, body, ...call }) => {
    const asked = { tenant: principal.tenant, id: reference, graceSec: body.grace_sec }
    const once = onceKeyOf(call, principal.tenant, `api-keys/${reference}/rotate`)
    return outcome(
      await makeInAccounts(controller, principal, once, (tx, version, actor) =>
        rotateKey(controller, tx, version, actor, asked),
      ),
    )
  })

  serve(ACCOUNT_ROUTES.revokeKey, async ({ controller, principal, reference }) => {
    await changeAccounts(controller, principal, (tx, version) => revokeKey(tx, version, principal.tenant, reference))
    return { text: null }
  })
}

type Making = { controller: Controller; principal: Principal; idempotencyKey: string | undefined; rawBody: Uint8Array }

async function create(call: Making, wish: KeyWish, route: string): Promise<Outcome> {
  const { controller, principal } = call
  const { tenant } = principal
  const answer = await makeInAccounts(controller, principal, onceKeyOf(call, tenant, route), (tx, version, actor) =>
    makeKey(controller, tx, version, tenant, actor, wish),
  )
  return outcome(answer)
}

/** A secret is in no cache of anybody's. */
const outcome = ({ text, isReplay }: OnceAnswer): Outcome => ({
  text,
  headers: { 'cache-control': 'no-store', ...(isReplay ? { 'idempotent-replayed': 'true' } : {}) },
})
