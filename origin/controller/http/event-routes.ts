/** The routes of events: parse, call, translate. */
import { EVENT_ROUTES } from '../../../shared/contracts/events.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import type { Principal } from '../accounts/principal.ts'
import { historyOf } from '../events/history.ts'
import { openStream } from '../events/open-stream.ts'
import { header } from './arrival.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

export function serveEvents(serve: Serve<Principal>): void {
  serve(EVENT_ROUTES.ofTenant, (call) => follow(call, call.query, call.query.sandbox_id ?? null))
  serve(EVENT_ROUTES.ofSandbox, (call) => follow(call, call.query, call.reference))
  serve(EVENT_ROUTES.history, history)
}

type StreamQuery = { types?: string[] | undefined; last_event_id?: string | undefined }

async function follow(
  { controller, arrival, principal, caller }: Pick<Call<Route>, 'controller' | 'arrival' | 'principal' | 'caller'>,
  query: StreamQuery,
  reference: string | null,
): Promise<Outcome> {
  // Nobody would read it, so nobody would close it.
  if (arrival.method === 'HEAD') return { text: null, headers: { 'content-type': 'text/event-stream' } }
  const lastId = header(arrival, 'last-event-id') || query.last_event_id || null
  const types = query.types ?? null
  return { stream: await openStream(controller, { principal, reference, types, lastId, caller }) }
}

async function history(call: Call<(typeof EVENT_ROUTES)['history']>): Promise<Outcome> {
  const { rows, nextCursor } = await historyOf(call.controller, call.principal, call.reference, call.query)
  return json({ data: rows, next_cursor: nextCursor })
}
