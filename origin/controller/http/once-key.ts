/** The Idempotency-Key of a change of accounts, and what it was sent with. */
import type { OnceClaim } from '../accounts/answer-once.ts'
import { claimOf } from '../sandboxes/claim.ts'

/** Undefined without a key. Throws invalid_header for one that no header should carry. */
export function onceKeyOf(
  { idempotencyKey, rawBody }: { idempotencyKey: string | undefined; rawBody: Uint8Array },
  tenant: string,
  route: string,
): OnceClaim | undefined {
  const claim = claimOf(idempotencyKey, { principal: { tenant, externalUser: null }, kind: 'create', body: rawBody })
  return claim === undefined ? undefined : { tenant, route, key: claim.key, fingerprint: claim.fingerprint }
}
