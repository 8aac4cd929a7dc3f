/** The routes of a sandbox's environment: parse, call, translate. It is the agent's, and with that part of all that is frozen and forked. */
import { guestEnvironment } from '../../../shared/contracts/guest-processes.ts'
import { ENV_ROUTES } from '../../../shared/contracts/processes.ts'
import type { Principal } from '../accounts/principal.ts'
import { JSON_TYPE, tellProcess } from '../processes/ask-process.ts'
import { type Answered, askGuest, readGuestJson } from '../sandboxes/ask-guest.ts'
import { askingOf } from './process-routes.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

export function serveEnv(serve: Serve<Principal>): void {
  serve(ENV_ROUTES.get, async (call) =>
    list(await askGuest(call.controller, askingOf(call), { method: 'GET', path: 'environment' })),
  )
  serve(ENV_ROUTES.set, set)
  serve(ENV_ROUTES.delete, async (call) => {
    const path = `environment/${encodeURIComponent(call.params.key ?? '')}`
    await tellProcess(call.controller, askingOf(call), { method: 'DELETE', path })
    return { text: null }
  })
}

async function set(call: Call<typeof ENV_ROUTES.set>): Promise<Outcome> {
  const variables = call.body.vars.map(({ key, value, encrypted = false }) => ({ key, value, encrypted }))
  const body = JSON.stringify({ variables })
  return list(
    await askGuest(call.controller, askingOf(call), { method: 'PUT', path: 'environment', headers: JSON_TYPE, body }),
  )
}

async function list(answered: Answered): Promise<Outcome> {
  return json({ data: (await readGuestJson(answered, guestEnvironment)).variables })
}
