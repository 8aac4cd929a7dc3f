/**
 * Callers that the edge vouches for: one signed token per request, good for one method and path of one region, once.
 *
 * The replay cache is this process's own. A token replayed at another controller of the region within its minute is not
 * noticed there, which is why whatever must happen once is held by idempotency keys and states, and not by this.
 */
import { createHash } from 'node:crypto'
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose'
import type * as z from 'zod'
import { EDGE_TOKEN, type EdgeClaims, edgeClaimsSchema } from '../../../shared/edge-token.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

/** The request as it arrived, byte for byte. */
export type Arrival = { method: string; pathAndQuery: string }
export type EdgeTokenReader = (token: string, arrival: Arrival) => Promise<EdgeClaims>

export const createEdgeTokenReader = (keys: JSONWebKeySet, regionCode: string, clock: () => number): EdgeTokenReader =>
  createWordReader(keys, { ...EDGE_TOKEN, claims: edgeClaimsSchema, refused }, regionCode, clock)

/** A kind of word that the edge signs. `refused` makes the error of whoever brings one that is not good. */
type EdgeWord<Claims> = {
  algorithm: string
  issuer: string
  audience: (regionCode: string) => string
  claims: z.ZodType<Claims>
  refused: (detail: string, cause?: unknown) => AppError
}

/** Throws what `refused` makes, with the check that failed. */
export function createWordReader<Claims extends Pick<EdgeClaims, 'method' | 'pathHash' | 'jti' | 'exp'>>(
  keys: JSONWebKeySet,
  { algorithm, issuer, audience, claims, refused }: EdgeWord<Claims>,
  regionCode: string,
  clock: () => number,
): (word: string, arrival: Arrival) => Promise<Claims> {
  const keySet = createLocalJWKSet(keys)
  const seen = createReplayCache(clock)

  return async (word, arrival) => {
    const verified = await jwtVerify(word, keySet, {
      algorithms: [algorithm],
      issuer,
      audience: audience(regionCode),
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: LIMITS.edgeTokenTtlSec,
      clockTolerance: LIMITS.edgeClockSkewSec,
      currentDate: new Date(clock()),
    }).catch((cause: unknown) => {
      throw refused(cause instanceof errors.JOSEError ? cause.code : 'unverifiable', cause)
    })
    const read = claims.safeParse(verified.payload)
    if (!read.success) throw refused('claims', read.error)
    if (read.data.method !== arrival.method) throw refused('method')
    if (read.data.pathHash !== sha256Hex(arrival.pathAndQuery)) throw refused('path')
    if (arrival.method !== 'GET' && !seen.admit(read.data.jti, read.data.exp)) throw refused('replayed')
    return read.data
  }
}

export const sha256Hex = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The body that the edge saw, if it says so, is the body that came. */
export function requireBodyOf(claims: EdgeClaims, body: Uint8Array): void {
  if (claims.bodyHash !== undefined && claims.bodyHash !== sha256Hex(body)) throw refused('body')
}

/** Which check failed is for the log: a forger should not learn it. */
function refused(detail: string, cause?: unknown): AppError {
  return new AppError('invalid_token', 'The token of the edge was refused.', { detail, cause })
}

export type ReplayCache = { admit(jti: string, expSec: number): boolean }

/** Remembers ids until they have expired. When it is full it admits nothing: forgetting one early would let it in again. */
export function createReplayCache(clock: () => number, entriesMax: number = LIMITS.edgeReplayEntriesMax): ReplayCache {
  const expiries = new Map<string, number>()

  const forgetExpired = (nowSec: number): void => {
    // Tokens live equally long, so the order of arrival is nearly the order of expiry.
    for (const [jti, expSec] of expiries) {
      if (expSec + LIMITS.edgeClockSkewSec >= nowSec) return
      expiries.delete(jti)
    }
  }
  return {
    admit(jti, expSec) {
      forgetExpired(clock() / 1_000)
      if (expiries.has(jti)) return false
      if (expiries.size >= entriesMax)
        throw new AppError('rate_limit_exceeded', 'More requests arrive here than can be told apart.')
      expiries.set(jti, expSec)
      return true
    },
  }
}
