/**
 * Callers that the edge vouches for: one signed token per request, good for one method and path of one region, once.
 *
 * The replay cache is this process's own. A token replayed at another controller of the region within its minute is not
 * noticed there, which is why whatever must happen once is held by idempotency keys and states, and not by this.
 */
import { createHash } from 'node:crypto'
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose'
import { EDGE_TOKEN, type EdgeClaims, edgeClaimsSchema } from '../../../shared/edge-token.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

/** The request as it arrived, byte for byte. */
export type Arrival = { method: string; pathAndQuery: string }
export type EdgeTokenReader = (token: string, arrival: Arrival) => Promise<EdgeClaims>

export function createEdgeTokenReader(keys: JSONWebKeySet, regionCode: string, clock: () => number): EdgeTokenReader {
  const keySet = createLocalJWKSet(keys)
  const seen = createReplayCache(clock)

  return async (token, arrival) => {
    const verified = await jwtVerify(token, keySet, {
      algorithms: [EDGE_TOKEN.algorithm],
      issuer: EDGE_TOKEN.issuer,
      audience: EDGE_TOKEN.audience(regionCode),
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: LIMITS.edgeTokenTtlSec,
      clockTolerance: LIMITS.edgeClockSkewSec,
      currentDate: new Date(clock()),
    }).catch((cause: unknown) => {
      throw refused(cause instanceof errors.JOSEError ? cause.code : 'unverifiable', cause)
    })
    const claims = edgeClaimsSchema.safeParse(verified.payload)
    if (!claims.success) throw refused('claims', claims.error)
    if (claims.data.method !== arrival.method) throw refused('method')
    if (claims.data.pathHash !== sha256Hex(arrival.pathAndQuery)) throw refused('path')
    if (arrival.method !== 'GET' && !seen.admit(claims.data.jti, claims.data.exp)) throw refused('replayed')
    return claims.data
  }
}

export const sha256Hex = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The body that the edge saw, if it says so, is the body that came. */
export function requireBodyOf(claims: EdgeClaims, body: Uint8Array): void {
  if (claims.bodyHash !== undefined && claims.bodyHash !== sha256Hex(body)) throw refused('body')
}

/** Which check failed is for the log: a forger should not learn it. */
const refused = (detail: string, cause?: unknown): AppError =>
  new AppError('invalid_token', 'The token of the edge was refused.', { detail, cause })

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
