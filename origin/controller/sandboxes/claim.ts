/**
 * A claim on an Idempotency-Key: won with the sandbox's row, and finished with the answer that every later request gets.
 *
 * Only successes are kept; after a failure the claim is dropped, so that the same key may try again. The one exception is a
 * command whose outcome is not known: its claim stays open, and no request with that key ever runs it again.
 */
import { createHash } from 'node:crypto'
import { and, eq } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { idempotency } from '../database/schema.ts'

export type Claim = { tenant: string; route: 'create' | 'run'; key: string; fingerprint: string }

const PRINTABLE = /^[\x21-\x7e][\x20-\x7e]*$/

/** Undefined without a key. Throws on a key that no header should carry. */
export function claimOf(
  key: string | undefined,
  request: { tenant: string; route: Claim['route']; body: Uint8Array },
): Claim | undefined {
  if (key === undefined) return undefined
  if (key.length > LIMITS.idempotencyKeyCharsMax || !PRINTABLE.test(key))
    throw new AppError(
      'invalid_header',
      `Idempotency-Key should be 1 to ${LIMITS.idempotencyKeyCharsMax} printable ASCII characters.`,
    )
  const fingerprint = createHash('sha256').update(request.body).digest('hex')
  return { tenant: request.tenant, route: request.route, key, fingerprint }
}

/** Guarded by the sandbox: a claim that was dropped and won again by another request is not touched. */
const owned = (claim: Claim, sandboxId: string) =>
  and(
    eq(idempotency.tenant, claim.tenant),
    eq(idempotency.route, claim.route),
    eq(idempotency.key, claim.key),
    eq(idempotency.sandbox, sandboxId),
  )

export async function finishClaim(
  db: Db,
  claim: Claim | undefined,
  sandboxId: string,
  answer: { status: number; response: string },
): Promise<void> {
  if (claim !== undefined) await db.update(idempotency).set(answer).where(owned(claim, sandboxId))
}

export async function dropClaim(db: Db, claim: Claim | undefined, sandboxId: string): Promise<void> {
  if (claim !== undefined) await db.delete(idempotency).where(owned(claim, sandboxId))
}
