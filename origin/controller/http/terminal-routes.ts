/** The routes of terminals: parse, call, translate. The WebSocket itself is no call: terminals/ carries it. */
import type { Route } from '../../../shared/contracts/route.ts'
import { TERMINAL_ROUTES } from '../../../shared/contracts/terminals.ts'
import { AppError } from '../../../shared/errors.ts'
import { wordFor } from '../accounts/make-browser-word.ts'
import type { Principal } from '../accounts/principal.ts'
import { findForCall } from '../sandboxes/find-sandbox.ts'
import { workdirOf } from '../templates/template-settings.ts'
import { beginTerminal, endTerminal, listTerminals } from '../terminals/manage-terminals.ts'
import { socketUrl, toTerminalRecord } from '../terminals/record.ts'
import { type Call, json, type Serve } from './serve-route.ts'

type Asked = Pick<Call<Route>, 'controller' | 'principal' | 'reference' | 'caller' | 'arrival'>

const asking = ({ principal, reference, caller, arrival }: Asked) => ({
  principal,
  reference,
  caller,
  timing: arrival.timing,
})

export function serveTerminals(serve: Serve<Principal>): void {
  serve(TERMINAL_ROUTES.create, async (call) => {
    const { controller, principal } = call
    const { db } = controller.database
    const found = await findForCall(db, principal, call.reference, controller.region.code)
    const cwd = call.body.cwd ?? (await workdirOf(db, found))
    const inside = { waker: principal, found, caller: call.caller, timing: call.arrival.timing }
    const { terminal, sandbox } = await beginTerminal(controller, inside, { ...call.body, cwd })
    const scope = TERMINAL_ROUTES.connect.scope
    const word = await wordFor(controller.database.db, principal, { scopes: [scope], sandbox })
    const ticket = await controller.accounts.words.makeTicket(word)
    const { id, cols, rows } = terminal
    const ws_url = socketUrl(call.origin, sandbox, id, ticket)
    return { ...json({ data: { session_id: id, cols, rows, ws_url } }), headers: { 'cache-control': 'no-store' } }
  })
  serve(TERMINAL_ROUTES.list, async (call) =>
    json({ data: (await listTerminals(call.controller, asking(call))).map(toTerminalRecord) }),
  )
  serve(TERMINAL_ROUTES.delete, async (call) => {
    await endTerminal(call.controller, asking(call), call.params.session ?? '')
    return { text: null }
  })
  serve(TERMINAL_ROUTES.connect, async ({ controller, principal, reference }) => {
    await findForCall(controller.database.db, principal, reference, controller.region.code)
    throw new AppError('upgrade_required', 'A terminal is seen on a WebSocket.')
  })
}
