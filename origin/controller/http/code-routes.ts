/** The routes of code: parse, call, translate. */
import { CODE_ROUTES } from '../../../shared/contracts/code.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import type { Principal } from '../accounts/principal.ts'
import { answerCode } from '../code/answer-code.ts'
import { changeContext, endContext, listContexts, makeContext } from '../code/manage-contexts.ts'
import { type Call, json, type Serve } from './serve-route.ts'

type Asked = Pick<Call<Route>, 'principal' | 'reference' | 'caller' | 'arrival'>

const asking = ({ principal, reference, caller, arrival }: Asked) => ({
  principal,
  reference,
  caller,
  timing: arrival.timing,
})

export function serveCode(serve: Serve<Principal>): void {
  serve(CODE_ROUTES.run, (call) => answerCode(call, call.body))
  serve(CODE_ROUTES.createContext, async (call) =>
    json({ data: await makeContext(call.controller, asking(call), call.body) }),
  )
  serve(CODE_ROUTES.listContexts, async (call) => json({ data: await listContexts(call.controller, asking(call)) }))
  serve(CODE_ROUTES.deleteContext, async (call) => {
    await endContext(call.controller, asking(call), call.params.context ?? '')
    return { text: null }
  })
  for (const verb of ['restart', 'interrupt'] as const)
    serve(CODE_ROUTES[`${verb}Context`], async (call) =>
      json({ data: await changeContext(call.controller, asking(call), call.params.context ?? '', verb) }),
    )
}
