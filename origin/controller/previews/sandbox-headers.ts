/**
 * The headers between a visitor and the server in a sandbox. Names and values pass as they were sent; what belongs to a connection, or
 * is said between the edge and a region, does not. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type PassClaims, PREVIEW_PASS, REFUSED_HEADER } from '../../../shared/preview-words.ts'

/** As Node gives and takes them: name, value, name, value, ... */
export type RawHeaders = readonly string[]

const OF_THE_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]
const FROM_VISITOR: ReadonlySet<string> = new Set([...OF_THE_CONNECTION, 'host', PREVIEW_PASS.header, 'x-edge-hops'])
const FROM_SANDBOX: ReadonlySet<string> = new Set([
  ...OF_THE_CONNECTION,
  REFUSED_HEADER,
  'x-origin',
  'x-not-executed',
  'x-region-load',
  'x-region',
  'x-request-id',
])

/**
 * One connection serves one request, and says so. The server hears the name by which the visitor's browser knows it, because it
 * compares that with the Origin of a WebSocket.
 */
export function headersToSandbox(raw: RawHeaders, pass: PassClaims, framing: Framing): string[] {
  return [
    ...['host', pass.host],
    ...without(raw, FROM_VISITOR),
    ...['x-forwarded-host', pass.host, 'x-forwarded-proto', pass.scheme],
    ...(pass.clientIp === undefined ? [] : ['x-forwarded-for', pass.clientIp]),
    ...framing,
  ]
}

export type Framing = readonly string[]

/** How the body is cut off from what follows; its length, where there is one, is among the visitor's own headers. */
export function framingOf(headers: IncomingHttpHeaders): Framing {
  if (headers.upgrade !== undefined) return ['connection', 'upgrade', 'upgrade', headers.upgrade]
  const isChunked = headers['transfer-encoding'] !== undefined
  return isChunked ? ['transfer-encoding', 'chunked', 'connection', 'close'] : ['connection', 'close']
}

export const headersToVisitor = (raw: RawHeaders): string[] => [...without(raw, FROM_SANDBOX), 'x-origin', '1']

/** Those of a switched protocol: what says that it was switched stays. */
export const upgradeHeadersToVisitor = (raw: RawHeaders): string[] => [
  ...without(raw, FROM_SANDBOX),
  ...['connection', 'Upgrade', 'upgrade', 'websocket', 'x-origin', '1'],
]

function without(raw: RawHeaders, names: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = raw.slice(at, at + 2)
    if (!names.has(name.toLowerCase())) kept.push(name, value)
  }
  return kept
}
