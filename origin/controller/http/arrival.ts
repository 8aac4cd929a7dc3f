/** One request as it arrived, and the headers that every answer to it carries. */
import type { IncomingMessage } from 'node:http'
import type { Controller } from '../controller.ts'
import { createTiming, serverTiming, type Timing } from './timing.ts'

export type Arrival = {
  incoming: IncomingMessage
  method: string
  /** Byte for byte as it was sent: the edge signs this. */
  pathAndQuery: string
  /** Ours until a verified token brings the edge's. */
  requestId: string
  timing: Timing
}

export function arrive(incoming: IncomingMessage): Arrival {
  return {
    incoming,
    method: incoming.method ?? 'GET',
    pathAndQuery: incoming.url ?? '/',
    requestId: `req_${crypto.randomUUID().replaceAll('-', '')}`,
    timing: createTiming(),
  }
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
  }
}
