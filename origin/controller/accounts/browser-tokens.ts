/**
 * Words for browsers, made from a key and judged by it: a token for some minutes, a ticket for one stream, a link for one request.
 *
 * Nothing is stored when one is made, so any controller can make it and any can judge it. A ticket is used up in the database of the
 * region whose stream it opens.
 */
import { randomUUID } from 'node:crypto'
import { lt, sql } from 'drizzle-orm'
import { EncryptJWT, errors, jwtDecrypt } from 'jose'
import type * as z from 'zod'
import {
  BROWSER_TOKEN,
  type BrowserClaims,
  browserClaimsSchema,
  jwtOfTicket,
  type LinkClaims,
  linkClaimsSchema,
  narrowedScopes,
  opensRequest,
  SIGNED_LINK,
  STREAM_TICKET,
  splitLink,
} from '../../../shared/browser-token.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { refusalOfLink } from '../../../shared/refuse-link.ts'
import type { Db } from '../database/connect.ts'
import { usedTicket } from '../database/schema/accounts.ts'
import { sha256Hex } from './edge-tokens.ts'
import { type KeyFinder, requireUsable } from './key-facts.ts'
import { type Principal, principalOfKey } from './principal.ts'

type Kind = typeof BROWSER_TOKEN | typeof STREAM_TICKET | typeof SIGNED_LINK
export type Word = Omit<BrowserClaims, 'jti' | 'exp'>
export type LinkWord = Omit<LinkClaims, 'jti' | 'exp'>

export type BrowserWords = {
  makeToken(word: Word, ttlSec: number): Promise<string>
  makeTicket(word: Word): Promise<string>
  makeLink(word: LinkWord, ttlSec: number): Promise<string>
  /** Throws invalid_token or revoked_token. */
  readToken(token: string): Promise<Principal>
  /** The same, and the ticket is used up by it. */
  readTicket(ticket: string): Promise<Principal>
  /** Of a request whose URL ends in a link. Throws link_refused, also for a link of another request. */
  readLink(asked: { method: string; pathAndQuery: string }): Promise<Principal>
  /** Uses up a ticket that the edge has judged. Throws invalid_token the second time. */
  useTicket(id: string): Promise<void>
}

export function createBrowserWords(db: Db, secret: Uint8Array, finder: KeyFinder, clock: () => number): BrowserWords {
  const make = (kind: Kind, word: Word, ttlSec: number): Promise<string> => {
    const nowSec = Math.floor(clock() / 1_000)
    return new EncryptJWT({ ...word })
      .setProtectedHeader({ alg: kind.algorithm, enc: kind.encryption, typ: kind.type })
      .setIssuer(kind.issuer)
      .setAudience(kind.audience)
      .setJti(randomUUID())
      .setIssuedAt(nowSec)
      .setExpirationTime(nowSec + ttlSec)
      .encrypt(secret)
  }
  const read = async <Claims extends BrowserClaims>(
    kind: Kind,
    schema: z.ZodType<Claims>,
    jwt: string,
  ): Promise<{ claims: Claims; principal: Principal }> => {
    const claims = await verify(kind, schema, jwt, { secret, nowMs: clock() })
    const facts = requireUsable(await finder.find(claims.keyHash), clock())
    if (facts.key !== claims.sub || facts.keyVersion !== claims.keyVersion) throw refused('key')
    return { claims, principal: narrowed(principalOfKey(facts), claims) }
  }
  const readLink: BrowserWords['readLink'] = async ({ method, pathAndQuery }) => {
    const link = splitLink(pathAndQuery)
    if (link === null) throw refused('no link')
    const { claims, principal } = await read(SIGNED_LINK, linkClaimsSchema, link.jwt)
    if (!opensRequest(claims, method, sha256Hex(link.target))) throw refused('another request')
    return principal
  }
  return {
    makeToken: (word, ttlSec) => make(BROWSER_TOKEN, word, ttlSec),
    makeTicket: async (word) => STREAM_TICKET.prefix + (await make(STREAM_TICKET, word, LIMITS.streamTicketSec)),
    makeLink: async (word, ttlSec) => SIGNED_LINK.prefix + (await make(SIGNED_LINK, word, ttlSec)),
    readToken: async (token) => (await read(BROWSER_TOKEN, browserClaimsSchema, token)).principal,
    async readTicket(ticket) {
      const jwt = jwtOfTicket(ticket)
      if (jwt === null) throw new AppError('invalid_token', 'The ticket is not one of ours.')
      const { claims, principal } = await read(STREAM_TICKET, browserClaimsSchema, jwt)
      await useTicket(db, claims.jti, clock())
      return principal
    },
    readLink: (asked) =>
      readLink(asked).catch((thrown: unknown) => {
        throw refusalOfLink(thrown)
      }),
    useTicket: (id) => useTicket(db, id, clock()),
  }
}

async function verify<Claims>(
  kind: Kind,
  schema: z.ZodType<Claims>,
  jwt: string,
  { secret, nowMs }: { secret: Uint8Array; nowMs: number },
): Promise<Claims> {
  const verified = await jwtDecrypt(jwt, secret, {
    keyManagementAlgorithms: [kind.algorithm],
    contentEncryptionAlgorithms: [kind.encryption],
    issuer: kind.issuer,
    audience: kind.audience,
    typ: kind.type,
    currentDate: new Date(nowMs),
  }).catch((cause: unknown) => {
    if (cause instanceof errors.JWTExpired)
      throw new AppError('revoked_token', 'This token has expired.', { detail: 'browser token' })
    throw refused(cause instanceof errors.JOSEError ? cause.code : 'unverifiable', cause)
  })
  const claims = schema.safeParse(verified.payload)
  if (!claims.success) throw refused('claims', claims.error)
  return claims.data
}

const narrowed = (ofKey: Principal, { scopes, externalUser, sandbox }: BrowserClaims): Principal => ({
  ...ofKey,
  scopes: narrowedScopes(ofKey.scopes, scopes),
  externalUser: ofKey.externalUser ?? externalUser ?? null,
  sandbox: sandbox ?? null,
  isTemporary: true,
})

/** The row outlives the ticket, so that no ticket is good again because it was forgotten. */
async function useTicket(db: Db, id: string, nowMs: number): Promise<void> {
  const expiresAt = new Date(nowMs + 2 * LIMITS.streamTicketSec * 1_000)
  const used = await db.insert(usedTicket).values({ id, expiresAt }).onConflictDoNothing().returning()
  if (used.length === 0) throw new AppError('invalid_token', 'This ticket was used before; each opens one stream.')
}

export async function forgetUsedTickets(db: Db): Promise<void> {
  await db.delete(usedTicket).where(lt(usedTicket.expiresAt, sql`now()`))
}

/** Which check failed is for the log: a forger should not learn it. */
const refused = (detail: string, cause?: unknown): AppError =>
  new AppError('invalid_token', 'The token was refused.', { detail, cause })
