/** The edge's word to a region about one request of a visitor: which port of which sandbox, and whether a share was shown. */
import { SignJWT } from 'jose'
import { LIMITS } from '../../shared/limits.ts'
import type { PreviewAddress } from '../../shared/preview-address.ts'
import { type PassClaims, PREVIEW_PASS } from '../../shared/preview-words.ts'
import type { Config } from '../config.ts'
import { sha256Hex } from '../digest.ts'

export type Visitor = Pick<
  PassClaims,
  'share' | 'hasBadShare' | 'requestId' | 'method' | 'host' | 'scheme' | 'clientIp'
>

/** `target` is the path and query as they are forwarded. */
export async function signPass(
  { sandbox, port, region }: PreviewAddress,
  visitor: Visitor,
  target: string,
  { signing }: Pick<Config, 'signing'>,
): Promise<string> {
  const nowSec = Math.floor(Date.now() / 1_000)
  const claims: PassClaims = {
    sandbox,
    port,
    ...visitor,
    pathHash: await sha256Hex(target),
    jti: crypto.randomUUID(),
    iat: nowSec,
    exp: nowSec + LIMITS.edgeTokenTtlSec,
  }
  return new SignJWT(claims)
    .setProtectedHeader({ alg: PREVIEW_PASS.algorithm, kid: signing.kid })
    .setIssuer(PREVIEW_PASS.issuer)
    .setAudience(PREVIEW_PASS.audience(region))
    .sign(signing.key)
}
