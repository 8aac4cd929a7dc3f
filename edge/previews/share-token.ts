/** The share token that a visitor shows: in a header, in the query, or in the cookie that was made of the one in the query. */
import { jwtVerify } from 'jose'
import { LIMITS } from '../../shared/limits.ts'
import type { PreviewAddress } from '../../shared/preview-address.ts'
import { SHARE_TOKEN, type ShareClaims, shareClaimsSchema } from '../../shared/preview-words.ts'
import { valuesInQuery } from './query.ts'

export type Shown = { token: string; by: 'header' | 'query' | 'cookie' }

/** What only https may set, no neighbour under the same domain can set in its place. */
export const cookieName = (scheme: string): string =>
  scheme === 'https' ? `__Host-${SHARE_TOKEN.cookie}` : SHARE_TOKEN.cookie

/** A header is said on purpose, a query names a newer token than the cookie that an older one left. */
export function shownToken(headers: Headers, url: URL, scheme: string): Shown | null {
  for (const name of SHARE_TOKEN.headers) {
    const token = headers.get(name)
    if (token !== null) return { token, by: 'header' }
  }
  const [inQuery] = valuesInQuery(url.search, SHARE_TOKEN.parameter)
  if (inQuery !== undefined) return { token: inQuery, by: 'query' }
  const cookie = readCookie(headers.get('cookie') ?? '', cookieName(scheme))
  return cookie === undefined ? null : { token: cookie, by: 'cookie' }
}

/** Null for a token that is not ours, not of this port of this sandbox, or over. Whether it was revoked, its region knows. */
export async function verifyShare(
  token: string,
  { sandbox, port }: PreviewAddress,
  secret: Uint8Array,
  nowMs: number,
): Promise<ShareClaims | null> {
  if (!token.startsWith(SHARE_TOKEN.prefix) || token.length > LIMITS.shareTokenCharsMax) return null
  const verified = await jwtVerify(token.slice(SHARE_TOKEN.prefix.length), secret, {
    algorithms: [SHARE_TOKEN.algorithm],
    issuer: SHARE_TOKEN.issuer,
    audience: SHARE_TOKEN.audience,
    typ: SHARE_TOKEN.type,
    currentDate: new Date(nowMs),
  }).catch(() => null)
  const claims = shareClaimsSchema.safeParse(verified?.payload)
  return claims.success && claims.data.sandbox === sandbox && claims.data.port === port ? claims.data : null
}

/** Of one host, out of the reach of scripts, and not sent along when another site makes the browser change something. */
export function shareCookie(token: string, { exp }: ShareClaims, scheme: string, nowMs: number): string {
  const leftSec = Math.max(0, exp - Math.floor(nowMs / 1_000))
  const secure = scheme === 'https' ? '; Secure' : ''
  return `${cookieName(scheme)}=${token}; Path=/; Max-Age=${leftSec}; HttpOnly; SameSite=Lax${secure}`
}

const readCookie = (header: string, name: string): string | undefined =>
  header
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1)
