/** The routes of the log of where sandboxes went: parse, call, translate. Each sees what its own sandboxes did. */
import { EGRESS_AUDIT_ROUTES } from '../../../shared/contracts/egress-audit.ts'
import type { Principal } from '../accounts/principal.ts'
import { openAudit } from '../egress/follow-audit.ts'
import { findAudit, listAudit, suggestHosts, toAuditRecord } from '../egress/read-audit.ts'
import { findSandbox } from '../sandboxes/find-sandbox.ts'
import { header } from './arrival.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

export function serveEgressAudit(serve: Serve<Principal>): void {
  // Before the route that takes any id in its place.
  serve(EGRESS_AUDIT_ROUTES.suggestions, async ({ controller, principal, query }) =>
    json({ data: await suggestHosts(controller.database.db, principal, query), next_cursor: null }),
  )
  serve(EGRESS_AUDIT_ROUTES.list, async ({ controller, principal, query }) => {
    const { rows, nextCursor } = await listAudit(controller.database.db, principal, query)
    return json({ data: rows.map(toAuditRecord), next_cursor: nextCursor })
  })
  serve(EGRESS_AUDIT_ROUTES.follow, follow)
  serve(EGRESS_AUDIT_ROUTES.get, async ({ controller, principal, reference }) =>
    json({ data: toAuditRecord(await findAudit(controller.database.db, principal, reference)) }),
  )
}

async function follow(call: Call<(typeof EGRESS_AUDIT_ROUTES)['follow']>): Promise<Outcome> {
  const { controller, principal, reference, arrival, caller } = call
  const { id } = await findSandbox(controller.database.db, principal, reference, controller.region.code)
  // Nobody would read it, so nobody would close it.
  if (arrival.method === 'HEAD') return { text: null, headers: { 'content-type': 'text/event-stream' } }
  const lastId = header(arrival, 'last-event-id')
  return { stream: await openAudit(controller, { principal, sandbox: id, lastId, caller }) }
}
