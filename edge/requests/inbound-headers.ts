/** Which of a client's headers travel on. Whatever a region would believe from the edge must not come from a client. */

const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
]
const INTERNAL = [
  'authorization',
  'host',
  'x-region-load',
  'x-origin',
  'x-not-executed',
  'x-attempt',
  'x-real-ip',
  'x-request-id',
  'x-region',
  'x-podflare-region',
  'forwarded',
  'true-client-ip',
  'cdn-loop',
]
const STRIPPED: ReadonlySet<string> = new Set([...HOP_BY_HOP, ...INTERNAL])
const STRIPPED_PREFIXES = ['x-edge-', 'x-internal-', 'x-failover-', 'x-forwarded-', 'cf-', 'mf-']

/** `isUpgrade` keeps `upgrade`, without which a WebSocket is an ordinary request. */
export function forwardedHeaders(inbound: Iterable<[string, string]>, isUpgrade: boolean): [string, string][] {
  const all = [...inbound].map(([name, value]): [string, string] => [name.toLowerCase(), value])
  const named = new Set(namedByConnection(all))
  return all.filter(([name]) => {
    if (name === 'upgrade') return isUpgrade
    return !named.has(name) && !STRIPPED.has(name) && !STRIPPED_PREFIXES.some((prefix) => name.startsWith(prefix))
  })
}

/** Headers that the Connection header declares to be for this hop only. */
function namedByConnection(headers: readonly [string, string][]): string[] {
  const connection = headers.find(([name]) => name === 'connection')?.[1] ?? ''
  return connection.split(',').map((name) => name.trim().toLowerCase())
}
