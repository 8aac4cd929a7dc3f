/** The edge's word on one request of a visitor: good for one method and path of this region's previews, once where it may change something. */
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type PassClaims, PREVIEW_PASS, passClaimsSchema } from '../../../shared/preview-words.ts'
import { createReplayCache, sha256Hex } from '../accounts/edge-tokens.ts'

export type PassReader = (pass: string, request: { method: string; pathAndQuery: string }) => Promise<PassClaims>

/** Throws invalid_token. */
export function createPassReader(keys: JSONWebKeySet, regionCode: string, clock: () => number): PassReader {
  const keySet = createLocalJWKSet(keys)
  const seen = createReplayCache(clock)

  return async (pass, { method, pathAndQuery }) => {
    const verified = await jwtVerify(pass, keySet, {
      algorithms: [PREVIEW_PASS.algorithm],
      issuer: PREVIEW_PASS.issuer,
      audience: PREVIEW_PASS.audience(regionCode),
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: LIMITS.edgeTokenTtlSec,
      clockTolerance: LIMITS.edgeClockSkewSec,
      currentDate: new Date(clock()),
    }).catch((cause: unknown) => {
      throw refused(cause instanceof errors.JOSEError ? cause.code : 'unverifiable', cause)
    })
    const claims = passClaimsSchema.safeParse(verified.payload)
    if (!claims.success) throw refused('claims', claims.error)
    if (claims.data.method !== method) throw refused('method')
    if (claims.data.pathHash !== sha256Hex(pathAndQuery)) throw refused('path')
    if (method !== 'GET' && !seen.admit(claims.data.jti, claims.data.exp)) throw refused('replayed')
    return claims.data
  }
}

const refused = (detail: string, cause?: unknown): AppError =>
  new AppError('invalid_token', 'The word of the edge was refused.', { detail, cause })
