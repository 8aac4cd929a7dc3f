/** The routes of words for browsers. Any region makes them: nothing is written. */

import { SCOPES } from '../../../shared/accounts.ts'
import { ACCOUNT_ROUTES } from '../../../shared/contracts/accounts.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { wordFor } from '../accounts/make-browser-word.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { json, type Outcome, type Serve } from './serve-route.ts'

const PRIVATE = { 'cache-control': 'no-store' }

export function serveTokens(serve: Serve<Principal>): void {
  serve(ACCOUNT_ROUTES.createToken, async ({ controller, principal, body }) => {
    // It could be renewed for ever, and outlive what its maker meant.
    if (principal.isTemporary) throw new AppError('owner_key_required', 'A token may not make another one.')
    const { accounts, clock, database } = controller
    const word = await wordFor(database.db, principal, {
      scopes: body.scopes,
      sandbox: body.sandbox_id,
      externalUser: body.external_user_id,
    })
    const made = {
      token: await accounts.words.makeToken(word, body.ttl_sec),
      expires_in: body.ttl_sec,
      expires_at: new Date(clock() + body.ttl_sec * 1_000).toISOString(),
      scopes: word.scopes,
      sandbox_id: word.sandbox ?? null,
      external_user_id: word.externalUser ?? null,
    }
    return { ...json({ data: made }), headers: PRIVATE }
  })
  serve(ACCOUNT_ROUTES.createTicket, ticket)
  serve(ACCOUNT_ROUTES.createTicketOfCli, ticket)
}

/** In both places where clients look for it. */
async function ticket(call: {
  controller: Controller
  principal: Principal
  body: { sandbox_id?: string | undefined }
}): Promise<Outcome> {
  const { accounts, database } = call.controller
  const scopes = SCOPES.filter((scope) => call.principal.scopes.includes(scope))
  const word = await wordFor(database.db, call.principal, { scopes, sandbox: call.body.sandbox_id })
  const made = { ticket: await accounts.words.makeTicket(word), expires_in: LIMITS.streamTicketSec }
  return { ...json({ ...made, data: made }), headers: PRIVATE }
}
