/** The edge's word to one region about one request: who asks, what they may, and which path and body it is about. */
import { CompactSign } from 'jose'
import { EDGE_TOKEN, type EdgeClaims } from '../../shared/edge-token.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import type { Caller } from '../accounts/identify-caller.ts'
import { sha256Hex } from '../digest.ts'
import type { Visit } from '../requests/visit.ts'
import { geoClaim } from '../steering/whereabouts.ts'

export type Posting = {
  region: Region
  /** 1 for the first. */
  attempt: number
  /** The path and query as they are forwarded. */
  target: string
  idempotencyKey: string | null
}

const encoder = new TextEncoder()

export async function signToken(visit: Visit, posting: Posting): Promise<string> {
  const { signing } = visit.config
  // The claims are whole and of our own making; jose's builder of claims would copy them deeply to check them again.
  return new CompactSign(encoder.encode(JSON.stringify(await claimsOf(visit, posting))))
    .setProtectedHeader({ alg: EDGE_TOKEN.algorithm, kid: signing.kid })
    .sign(signing.key)
}

async function claimsOf(visit: Visit, { region, attempt, target, idempotencyKey }: Posting): Promise<EdgeClaims> {
  const nowSec = Math.floor(Date.now() / 1_000)
  const clientIp = visit.request.headers.get('cf-connecting-ip')
  const geo = geoClaim(visit.geography)
  return {
    iss: EDGE_TOKEN.issuer,
    aud: EDGE_TOKEN.audience(region.code),
    sub: visit.key.id,
    keyVersion: visit.key.keyVersion,
    tenant: visit.key.tenant,
    tier: visit.key.tier,
    scopes: visit.key.scopes,
    limits: visit.tier,
    ...(visit.uncounted === undefined ? {} : { uncounted: visit.uncounted }),
    ...narrowing(visit.key),
    requestId: visit.requestId,
    origin: new URL(visit.request.url).origin,
    method: visit.request.method,
    pathHash: await sha256Hex(target),
    ...(visit.body.kind === 'kept' ? { bodyHash: await sha256Hex(visit.body.bytes) } : {}),
    ...(idempotencyKey === null ? {} : { idempotencyKey }),
    attempt,
    ...(clientIp === null ? {} : { clientIp }),
    ...(geo === undefined ? {} : { geo }),
    jti: crypto.randomUUID(),
    iat: nowSec,
    exp: nowSec + LIMITS.edgeTokenTtlSec,
  }
}

const narrowing = ({ externalUser, sandbox, temporary, ticket }: Caller) => ({
  ...(externalUser === undefined ? {} : { externalUser }),
  ...(sandbox === undefined ? {} : { sandbox }),
  ...(temporary === undefined ? {} : { temporary }),
  ...(ticket === undefined ? {} : { ticket }),
})
