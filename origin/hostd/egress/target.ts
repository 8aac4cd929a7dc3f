/** What a request asks for, by its first line, its Host header and the connection that it is inside of. Only one reading is taken. */
import type { IncomingMessage } from 'node:http'
import type { Target } from './judge.ts'
import type { Inside } from './visit.ts'

export type RequestTarget = Inside & {
  path: string
  /** As a Host header names it. */
  authority: string
  /** Why it cannot be asked for. */
  refusal: 'request' | 'name' | null
}

const PORTS = { http: 80, https: 443 }
const NOWHERE = { scheme: 'http', host: '', port: 0, path: '/', authority: '', refusal: 'request' } as const

/** `inside` null is at the door, where the whole URL is in the first line. TLS is asked for with CONNECT, and not here. */
export function targetOf(
  { url = '', headers }: Pick<IncomingMessage, 'url' | 'headers'>,
  inside: Inside | null,
): RequestTarget {
  return inside === null ? atTheDoor(url) : within(url, headers.host, inside)
}

function atTheDoor(text: string): RequestTarget {
  if (!/^http:\/\//i.test(text) || !URL.canParse(text)) return NOWHERE
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return NOWHERE
  // As it was written: what a server makes of dots and signs is its own.
  const path = text.replace(/^http:\/\/[^/?#\\]*/i, '').replace(/#.*$/s, '')
  const target = { host: hostOf(url), port: portOf(url, 'http') }
  return {
    scheme: 'http',
    ...target,
    path: path.startsWith('/') ? path : `/${path}`,
    authority: authorityOf({ scheme: 'http', ...target }),
    refusal: null,
  }
}

function within(path: string, hostHeader: string | undefined, inside: Inside): RequestTarget {
  const base = { ...inside, path, authority: authorityOf(inside), refusal: null }
  // A fragment is never sent; where a server would have it end or go on is its own.
  if (!path.startsWith('/') || path.includes('#')) return { ...base, path: '/', refusal: 'request' }
  const named = hostHeader === undefined ? null : parseAuthority(hostHeader, PORTS[inside.scheme])
  const isSame = named !== null && named.host === inside.host && named.port === inside.port
  return isSame ? base : { ...base, refusal: 'name' }
}

/** `host:port` as CONNECT has it, and Host headers; null is neither. Addresses in whatever form become the one form that rules have. */
export function parseAuthority(text: string, defaultPort: number | null): Target | null {
  if (!/^([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i.test(text) || !URL.canParse(`http://${text}`)) return null
  const stated = /:(\d+)$/.exec(text.replace(/^\[.*\]/, ''))?.[1]
  const port = stated === undefined ? defaultPort : Number(stated)
  const host = hostOf(new URL(`http://${text}`))
  return port === null || port < 1 || port > 65_535 || host === '' ? null : { host, port }
}

/** Lower case, without the brackets of IPv6 and without the dot that ends a name in full. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')

const portOf = ({ port }: URL, scheme: 'http' | 'https'): number => (port === '' ? PORTS[scheme] : Number(port))

function authorityOf({ scheme, host, port }: Inside): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === PORTS[scheme] ? name : `${name}:${port}`
}
