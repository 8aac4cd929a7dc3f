/**
 * The headers between a visitor and the server in a sandbox. Names and values pass as they were sent; what belongs to a connection, or
 * is said between the edge and a region, does not. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type PassClaims, REFUSED_HEADER } from '../../../shared/preview-words.ts'

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
/** `pragma` is what the edge says to caches in between. */
const FROM_VISITOR: ReadonlySet<string> = new Set([...OF_THE_CONNECTION, 'host', 'pragma', 'forwarded', 'x-real-ip'])
/** What the edge, and whatever stands between it and here, says to this region; and what only this region may say of a visitor. */
const BETWEEN_US = ['x-edge-', 'cf-', 'cdn-', 'x-forwarded-']
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
    ...without(raw, isKeptFromSandbox),
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

export const headersToVisitor = (raw: RawHeaders): string[] => [...without(raw, isKeptFromVisitor), 'x-origin', '1']

/** Those of a switched protocol: what says that it was switched stays. */
export const upgradeHeadersToVisitor = (raw: RawHeaders): string[] => [
  ...without(raw, isKeptFromVisitor),
  ...['connection', 'Upgrade', 'upgrade', 'websocket', 'x-origin', '1'],
]

const isKeptFromSandbox = (name: string): boolean =>
  FROM_VISITOR.has(name) || BETWEEN_US.some((beginning) => name.startsWith(beginning))
const isKeptFromVisitor = (name: string): boolean => FROM_SANDBOX.has(name)

function without(raw: RawHeaders, isKeptBack: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = raw.slice(at, at + 2)
    if (!isKeptBack(name.toLowerCase())) kept.push(name, value)
  }
  return kept
}
