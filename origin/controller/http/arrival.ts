/** One request as it arrived, what is learnt of it on the way, and the headers that every answer to it carries. */
import type { IncomingMessage } from 'node:http'
import { corsHeaders } from '../../../shared/cors.ts'
import type { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { createTiming, serverTiming, type Timing } from './timing.ts'

export type Arrival = {
  readonly incoming: IncomingMessage
  readonly method: string
  /** Byte for byte as it was sent: the edge signs this. */
  readonly pathAndQuery: string
  /** Ours until a verified token brings the edge's. */
  requestId: string
  readonly timing: Timing
  /** The path as the contract writes it. What a caller wrote may be a secret, and is never shown anywhere. */
  route: string
  /** Who was proven to ask. */
  caller: { tenant: string; key: string } | undefined
  bytesIn: number
  /** What is left of the caller's requests; empty when nobody here counts them. */
  rateHeaders: Record<string, string>
  /** Why it was refused, or failed. */
  failure: AppError | undefined
  /** The answer while it is made. */
  handling: Promise<Response> | undefined
  /** When it was made; a stream goes on after that. */
  answerMs: number | undefined
}

const arrivals = new WeakMap<IncomingMessage, Arrival>()

/** The same for the same request, whoever asks first. */
export function arrive(incoming: IncomingMessage): Arrival {
  const known = arrivals.get(incoming)
  if (known !== undefined) return known
  const arrival: Arrival = {
    incoming,
    method: incoming.method ?? 'GET',
    pathAndQuery: incoming.url ?? '/',
    requestId: `req_${crypto.randomUUID().replaceAll('-', '')}`,
    timing: createTiming(),
    route: 'none',
    caller: undefined,
    bytesIn: 0,
    rateHeaders: {},
    failure: undefined,
    handling: undefined,
    answerMs: undefined,
  }
  arrivals.set(incoming, arrival)
  return arrival
}

export function header(arrival: Arrival, name: string): string | undefined {
  const value = arrival.incoming.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Set when the answer is made: a header set on a finished answer costs half of the throughput. */
export function answerHeaders(controller: Controller, arrival: Arrival): Record<string, string> {
  return {
    'x-request-id': arrival.requestId,
    'x-region': controller.region.code,
    'x-origin': '1',
    'x-region-load': controller.ledger.load().toFixed(3),
    'server-timing': serverTiming(arrival.timing.phases()),
    ...arrival.rateHeaders,
    ...corsHeaders(arrival.incoming.headers.origin !== undefined),
    // Whoever sends their next request on this connection may find it gone.
    ...(controller.isDraining() ? { connection: 'close' } : {}),
  }
}
