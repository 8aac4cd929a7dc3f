/**
 * What of a visitor's request a sandbox may see, and what of its answer a browser. The sandbox is hostile to both: it must not get
 * hold of a credential for the API, nor set what a neighbour under the same domain would be believed by.
 */
import { decodeProtectedHeader } from 'jose'
import { BROWSER_TOKEN, STREAM_TICKET } from '../../shared/browser-token.ts'
import { REFUSED_HEADER, SHARE_TOKEN } from '../../shared/preview-words.ts'
import { forwardedHeaders } from '../requests/inbound-headers.ts'

const API_KEY = /atl_(live|test)_[0-9a-z]+/i
/** Signed JWTs have three parts, encrypted ones five, of which one is empty. */
const TOKENS = /eyJ[\w-]+(?:\.[\w-]*){2,4}/g
const OUR_TYPES: ReadonlySet<unknown> = new Set([BROWSER_TOKEN.type, STREAM_TICKET.type, SHARE_TOKEN.type])
const OUR_COOKIES: ReadonlySet<string> = new Set([SHARE_TOKEN.cookie, `__Host-${SHARE_TOKEN.cookie}`])
const OUR_HEADERS: ReadonlySet<string> = new Set<string>(SHARE_TOKEN.headers)
const KEPT_INSIDE = ['x-origin', 'x-region-load', 'x-not-executed', REFUSED_HEADER]

/** An Authorization of the sandbox's own server goes on; ours does not, wherever it stands. */
export function headersForSandbox(inbound: Headers, isUpgrade: boolean): Headers {
  const headers = new Headers()
  for (const [name, value] of forwardedHeaders(inbound, isUpgrade))
    if (name !== 'cookie' && !OUR_HEADERS.has(name) && !carriesCredential(value)) headers.append(name, value)
  const authorization = inbound.get('authorization')
  if (authorization !== null && !carriesCredential(authorization)) headers.set('authorization', authorization)
  const cookies = cookiesForSandbox(inbound.get('cookie') ?? '')
  if (cookies !== '') headers.set('cookie', cookies)
  return headers
}

/** Keys, and whatever else we sign for people to use. */
export const carriesCredential = (text: string): boolean =>
  API_KEY.test(text) || (text.match(TOKENS) ?? []).some((token) => OUR_TYPES.has(typeOf(token)))

function typeOf(token: string): unknown {
  try {
    return decodeProtectedHeader(token).typ
  } catch {
    return undefined
  }
}

const cookiesForSandbox = (header: string): string =>
  header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !OUR_COOKIES.has(nameOf(pair)) && !carriesCredential(pair))
    .join('; ')

/** A cookie of a sandbox is for its own host, whatever it says, and never in the name of ours. */
export function headersForVisitor(fromRegion: Headers, requestId: string, region: string): Headers {
  const headers = new Headers(fromRegion)
  for (const name of KEPT_INSIDE) headers.delete(name)
  headers.delete('set-cookie')
  for (const cookie of fromRegion.getSetCookie())
    if (!OUR_COOKIES.has(nameOf(cookie))) headers.append('set-cookie', withoutDomain(cookie))
  headers.set('x-request-id', requestId)
  headers.set('x-region', region)
  return headers
}

const withoutDomain = (cookie: string): string =>
  cookie
    .split(';')
    .filter((part, at) => at === 0 || nameOf(part).toLowerCase() !== 'domain')
    .join(';')

const nameOf = (pair: string): string => (pair.split('=', 1)[0] ?? '').trim()
