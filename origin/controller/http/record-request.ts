/**
 * One line in the log and one observation for every request, when its answer has gone out or its caller has gone away.
 *
 * Nothing in them is a caller's own word but the ids of a trace, which are checked: no path, query, header or body.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Controller } from '../controller.ts'
import { describeError, type Fields, type Level } from '../log.ts'
import { VISIT_ROUTE } from '../previews/enter-visit.ts'
import { type Arrival, arrive, header } from './arrival.ts'

/** What machines of ours ask every few seconds: counted, but logged only when it fails. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics', '/v1/capacity'])
/** What comes of a sandbox, and of whoever wrote the server in it, is no failure of ours. */
const SANDBOXS_OWN: ReadonlySet<string | undefined> = new Set([undefined, 'port_closed', 'port_no_answer'])
/** As nginx has it: the caller left before there was an answer. Never sent. */
const CALLER_LEFT = 499
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-|$)/

export function recordRequest(controller: Controller, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const arrival = arrive(incoming)
  const writtenBefore = incoming.socket.bytesWritten
  outgoing.once('close', async () => {
    const hungUp = !outgoing.writableFinished
    const isAnswered = outgoing.headersSent
    // Whoever hung up hears nothing, but what became of their request is still found out, and logged once.
    const answer = await arrival.handling?.catch(() => undefined)
    const facts = {
      status: isAnswered ? outgoing.statusCode : (answer?.status ?? CALLER_LEFT),
      metered: isAnswered ? outgoing.statusCode : CALLER_LEFT,
      hungUp,
      bytesOut: incoming.socket.bytesWritten - writtenBefore,
      answerMs: arrival.answerMs ?? arrival.timing.elapsedMs(),
    }
    meter(controller, arrival, facts)
    report(controller, arrival, facts)
  })
}

type Facts = { status: number; metered: number; hungUp: boolean; bytesOut: number; answerMs: number }

function meter({ metrics }: Controller, { method, route, timing }: Arrival, facts: Facts): void {
  metrics.requests.observe({ method, route, status: facts.metered }, facts.answerMs / 1_000)
  for (const [phase, ms] of Object.entries(timing.phases()))
    if (phase !== 'total') metrics.phases.observe({ phase }, ms / 1_000)
}

function report({ log, region }: Controller, arrival: Arrival, { status, hungUp, bytesOut }: Facts): void {
  const level = levelOf(arrival, status, hungUp)
  if (level === 'info' && PROBES.has(arrival.route)) return
  const { failure, caller } = arrival
  log(level, 'request', {
    request: arrival.requestId,
    region: region.code,
    method: arrival.method,
    route: arrival.route,
    status,
    ms: Math.round(arrival.timing.elapsedMs() * 10) / 10,
    tenant: caller?.tenant,
    key: caller?.key,
    bytes_in: arrival.bytesIn,
    bytes_out: bytesOut,
    ...(hungUp ? { hung_up: true } : {}),
    ...traceOf(arrival),
    ...(failure === undefined ? {} : { code: failure.code }),
    ...(failure === undefined || level !== 'error' ? {} : { detail: failure.detail, cause: causeOf(failure) }),
  })
}

/** That a call broke off because its caller left is no failure of ours; a mistake of ours is one, whoever waits for the answer. */
function levelOf({ failure, route }: Arrival, status: number, hungUp: boolean): Level {
  if (failure?.code === 'internal') return 'error'
  if (hungUp || (route === VISIT_ROUTE && SANDBOXS_OWN.has(failure?.code))) return 'info'
  if (status >= 500) return 'error'
  return status >= 400 ? 'warn' : 'info'
}

const causeOf = ({ cause }: Error): string | undefined => (cause === undefined ? undefined : describeError(cause))

/** W3C trace context: whose trace this request belongs to, and the span that made it. */
function traceOf(arrival: Arrival): Fields {
  const [, trace, span] = TRACEPARENT.exec(header(arrival, 'traceparent') ?? '') ?? []
  return trace === undefined || span === undefined ? {} : { trace, span }
}
