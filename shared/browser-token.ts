/**
 * Short-lived words for browsers, which must not hold an API key: a token for the Authorization header, and a ticket for the URL of
 * one stream, because a browser's EventSource can send no header.
 *
 * Both are JWTs encrypted under a secret that every region and the edge derive from the pepper of the keys, so any of them can judge one,
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
