/** The headers of a request and of an answer as they are passed on, in the form `name, value, name, value` that keeps order and repeats. */
import type { EgressSecret } from '../../../shared/contracts/host-egress.ts'
import { putIntoHeader } from './put-secrets.ts'

/** RFC 9110, 7.6.1: of this connection only; what frames a body is written anew. `expect` was answered at the door. */
const OF_ONE_CONNECTION = new Set([
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
])

function pairsOf(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? '', raw[at + 1] ?? ''])
  return pairs
}

/** A header that `connection` names is of this connection, too. */
function passing(raw: readonly string[]): [string, string][] {
  const pairs = pairsOf(raw)
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) =>
      value
        .toLowerCase()
        .split(',')
        .map((part) => part.trim()),
    )
  const dropped = new Set([...OF_ONE_CONNECTION, ...named])
  // A length is what frames the body, whoever names it.
  dropped.delete('content-length')
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase()))
}

export type Framing = { isChunked: boolean; upgrade?: string | undefined }

/** `host` is what the request goes to, whatever it says. */
export function requestHeaders(
  raw: readonly string[],
  host: string,
  secrets: EgressSecret[],
  { isChunked, upgrade }: Framing,
): string[] {
  const passed = passing(raw)
    .filter(([name]) => name.toLowerCase() !== 'host')
    .flatMap(([name, value]) => [name, putIntoHeader(name, value, secrets)])
  return [
    ...['Host', host],
    ...passed,
    ...(isChunked ? ['Transfer-Encoding', 'chunked'] : []),
    ...(upgrade === undefined ? [] : ['Connection', 'Upgrade', 'Upgrade', upgrade]),
  ]
}

export const answerHeaders = (raw: readonly string[]): string[] => passing(raw).flat()
