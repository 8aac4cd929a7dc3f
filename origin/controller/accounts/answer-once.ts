/**
 * An Idempotency-Key on what is written in one transaction: the answer is kept with what it tells of, or neither is. Sealed, because
 * such answers hold secrets that are stored nowhere else.
 */
import { and, eq, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { idempotency } from '../database/schema/idempotency.ts'
import type { AccountTx } from './write-account.ts'

export type OnceClaim = { tenant: string; route: string; key: string; fingerprint: string }
export type OnceAnswer = { text: string; isReplay: boolean }

/** Throws idempotency_key_reused when the key came with another body. `made` names what was made, for those who look at the table. */
export async function answerOnce(
  tx: AccountTx,
  { accounts, instance }: Controller,
  claim: OnceClaim | undefined,
  make: () => Promise<{ text: string; made: string }>,
): Promise<OnceAnswer> {
  if (claim === undefined) return { text: (await make()).text, isReplay: false }
  const { tenant, route, key, fingerprint } = claim
  const place = and(eq(idempotency.tenant, tenant), eq(idempotency.route, route), eq(idempotency.key, key))
  await tx.delete(idempotency).where(and(place, sql`${idempotency.expiresAt} <= now()`))
  const [earlier] = await tx.select().from(idempotency).where(place)
  if (earlier !== undefined) {
    if (earlier.fingerprint !== fingerprint || earlier.response === null)
      throw new AppError('idempotency_key_reused', 'This Idempotency-Key was used for a different request.')
    return { text: accounts.secrets.open(earlier.response), isReplay: true }
  }
  const { text, made } = await make()
  await tx.insert(idempotency).values({
    ...claim,
    sandbox: made,
    instance: instance.number,
    status: 201,
    response: accounts.secrets.seal(text),
    expiresAt: sql`now() + make_interval(secs => ${LIMITS.idempotencyTtlSec})`,
  })
  return { text, isReplay: false }
}
