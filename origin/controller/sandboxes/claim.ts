/**
 * A claim on an Idempotency-Key: won with the sandbox's row, and finished with the answer that every later request gets.
 *
 * After a failure the claim is dropped, so that the same key may try again, unless the command has begun: that its sandbox was
 * stopped is kept as an answer like a success, and where the outcome is not known the claim stays open. No request with that
 * key ever runs it again.
 */
import { createHash } from 'node:crypto'
import { and, eq } from 'drizzle-orm'
import * as z from 'zod'
import { AppError, ERRORS, type ErrorCode } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Db } from '../database/connect.ts'
import { idempotency } from '../database/schema/idempotency.ts'

export type KeptAnswer = { status: number; response: string }
/** `route` also names the user of the tenant's for whom the key is, so that the keys of two users never meet. */
export type Claim = { tenant: string; kind: ClaimKind; route: string; key: string; fingerprint: string }
export type ClaimKind =
  | 'create'
  | 'run'
  | 'fork'
  | 'snapshot'
  | 'restore'
  | 'merge'
  | 'podflare'
  | 'podflare-fork'
  | 'podflare-merge'

const FIRST_ERROR_STATUS = 400
const PRINTABLE = /^[\x21-\x7e][\x20-\x7e]*$/

/** Undefined without a key. Throws on a key that no header should carry. */
export function claimOf(
  key: string | undefined,
  request: { principal: Pick<Principal, 'tenant' | 'externalUser'>; kind: ClaimKind; body: Uint8Array },
): Claim | undefined {
  if (key === undefined) return undefined
  if (key.length > LIMITS.idempotencyKeyCharsMax || !PRINTABLE.test(key))
    throw new AppError(
      'invalid_header',
      `Idempotency-Key should be 1 to ${LIMITS.idempotencyKeyCharsMax} printable ASCII characters.`,
    )
  const fingerprint = createHash('sha256').update(request.body).digest('hex')
  const { tenant, externalUser } = request.principal
  return { tenant, kind: request.kind, route: claimRoute(request.kind, externalUser), key, fingerprint }
}

export const claimRoute = (kind: ClaimKind, externalUser: string | null): string =>
  externalUser === null ? kind : `${kind}:${externalUser}`

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
  answer: KeptAnswer,
): Promise<void> {
  if (claim !== undefined) await db.update(idempotency).set(answer).where(owned(claim, sandboxId))
}

export async function dropClaim(db: Db, claim: Claim | undefined, sandboxId: string): Promise<void> {
  if (claim !== undefined) await db.delete(idempotency).where(owned(claim, sandboxId))
}

const keptErrorSchema = z.object({
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && Object.hasOwn(ERRORS, code)),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).default({}),
})

/** An error as an answer to keep. It is made anew for every request, because each has a request id of its own. */
export const keptError = ({ status, code, message, details }: AppError): KeptAnswer => ({
  status,
  response: JSON.stringify({ code, message, details }),
})

/** Throws the error again if that is what was kept. */
export function throwKeptError({ status, response }: KeptAnswer): void {
  if (status < FIRST_ERROR_STATUS) return
  const { code, message, details } = keptErrorSchema.parse(JSON.parse(response))
  throw new AppError(code, message, { details, isReplay: true })
}
