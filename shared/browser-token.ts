/**
 * Short-lived words for browsers, which must not hold an API key: a token for the Authorization header, and a ticket for the URL of
 * one stream, because a browser's EventSource can send no header. A link is for anybody: the URL of one request, signed whole.
 *
 * All are JWTs encrypted under a secret that every region and the edge derive from the pepper of the keys, so any of them can judge one,
 * and nobody else can read one. They name the key that they were made with by its hash, too: by that it is looked up, and when that
 * secret of the key ends, they end.
 */
import * as z from 'zod'

/** JWE, directly under the secret: who can read one can make one, and nobody can change one. */
const ENCRYPTION = { algorithm: 'dir', encryption: 'A256GCM' } as const

export const BROWSER_TOKEN = {
  issuer: 'atoll',
  ...ENCRYPTION,
  type: 'browser+jwt',
  audience: 'atoll:browser',
} as const

export const STREAM_TICKET = {
  issuer: 'atoll',
  ...ENCRYPTION,
  type: 'ticket+jwt',
  audience: 'atoll:stream',
  /** Before the JWT, so that it can be told from everything else, in logs too. */
  prefix: 'sset_',
  parameter: 'ticket',
} as const

/** Good for one method and one URL, as often as it is used until it expires. HEAD is asked for by the same link as GET. */
export const SIGNED_LINK = {
  issuer: 'atoll',
  ...ENCRYPTION,
  type: 'link+jwt',
  audience: 'atoll:link',
  prefix: 'slnk_',
  /** The last of the query. */
  parameter: 'link',
} as const

export const LINK_METHODS = ['GET', 'PUT'] as const
export type LinkMethod = (typeof LINK_METHODS)[number]

/** HKDF-SHA256(pepper, no salt, info), 32 bytes. */
export const BROWSER_SECRET = { info: 'atoll browser tokens', bytes: 32 } as const

export const browserClaimsSchema = z.object({
  /** The id of the key with which it was made. */
  sub: z.string(),
  /** Hex HMAC-SHA256(pepper, key) of that key's secret, and which of its secrets that was. */
  keyHash: z.string().regex(/^[0-9a-f]{64}$/),
  keyVersion: z.int(),
  scopes: z.array(z.string()),
  externalUser: z.string().optional(),
  sandbox: z.string().optional(),
  jti: z.string(),
  exp: z.int(),
})
export type BrowserClaims = z.infer<typeof browserClaimsSchema>

export const linkClaimsSchema = browserClaimsSchema.extend({
  method: z.enum(LINK_METHODS),
  /** Lowercase hex SHA-256 of the path and query that stand before the link. */
  targetHash: z.string(),
})
export type LinkClaims = z.infer<typeof linkClaimsSchema>

const LINK = new RegExp(`^(.*)[?&]${SIGNED_LINK.parameter}=${SIGNED_LINK.prefix}([\\w.-]+)$`)

const LINKED = new RegExp(`[?&]${SIGNED_LINK.parameter}=${SIGNED_LINK.prefix}`)

/** Whether whoever sends this means a link, be it whole or not. */
export const namesLink = (pathAndQuery: string): boolean => LINKED.test(pathAndQuery)

/** A path and query that end in a link: what they are without it, and its JWT. Null when they do not. */
export function splitLink(pathAndQuery: string): { target: string; jwt: string } | null {
  const [, target, jwt] = LINK.exec(pathAndQuery) ?? []
  return target !== undefined && jwt !== undefined && looksLikeToken(jwt) ? { target, jwt } : null
}

/** Whether a link was made for this request. */
export const opensRequest = (claims: LinkClaims, method: string, targetHash: string): boolean =>
  claims.method === (method === 'HEAD' ? 'GET' : method) && claims.targetHash === targetHash

/** Compact, and without a key of its own, whose part is empty. */
const JWT = /^eyJ[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/

export const looksLikeToken = (text: string): boolean => JWT.test(text)

/** The JWT in a ticket, or null. */
export const jwtOfTicket = (ticket: string): string | null =>
  ticket.startsWith(STREAM_TICKET.prefix) && looksLikeToken(ticket.slice(STREAM_TICKET.prefix.length))
    ? ticket.slice(STREAM_TICKET.prefix.length)
    : null

/** Of a token only what its key still may. */
export const narrowedScopes = (ofKey: readonly string[], ofToken: readonly string[]): string[] =>
  ofToken.filter((scope) => ofKey.includes(scope))
