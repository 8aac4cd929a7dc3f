/** The Idempotency-Key of a call that is about a thing of its path: with the same key, another thing is another request. */
import type { Route } from '../../../shared/contracts/route.ts'
import { type Claim, type ClaimKind, claimOf } from '../sandboxes/claim.ts'
import type { Call } from './serve-route.ts'

/** Undefined without a key. Throws invalid_header for one that no header should carry. */
export function claimOfCall(
  {
    idempotencyKey,
    principal,
    params,
    rawBody,
  }: Pick<Call<Route>, 'idempotencyKey' | 'principal' | 'params' | 'rawBody'>,
  kind: ClaimKind,
): Claim | undefined {
  const named = Buffer.from(`${JSON.stringify(Object.entries(params).sort())}\n`)
  return claimOf(idempotencyKey, { principal, kind, body: Buffer.concat([named, rawBody]) })
}
