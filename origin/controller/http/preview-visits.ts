/** Requests of visitors, which are no calls of the API: what they ask and what they hear is between them and a sandbox. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import { PREVIEW_PASS } from '../../../shared/preview-words.ts'
import type { Controller } from '../controller.ts'
import { refuseVisitor } from '../previews/answer-visitor.ts'
import { carryVisit, type Exchange } from '../previews/carry-visit.ts'
import { enterVisit } from '../previews/enter-visit.ts'
import { arrive } from './arrival.ts'
import type { Env } from './serve-route.ts'

export function serveVisits(app: Hono<Env>, controller: Controller): void {
  app.all(`${PREVIEW_PASS.path}/*`, (c) => {
    const arrival = arrive(c.env.incoming)
    arrival.handling = visit(controller, { incoming: c.env.incoming, outgoing: c.env.outgoing as Exchange['outgoing'] })
    return arrival.handling
  })
}

async function visit(controller: Controller, exchange: Exchange): Promise<Response> {
  const arrival = arrive(exchange.incoming)
  try {
    const { row, pass, leave } = await enterVisit(controller, arrival)
    try {
      await carryVisit(controller, row, pass, exchange)
    } finally {
      leave()
    }
    return RESPONSE_ALREADY_SENT
  } catch (thrown) {
    const { status, headers, body } = refuseVisitor(arrival, thrown)
    return new Response(body, { status, headers })
  }
}
