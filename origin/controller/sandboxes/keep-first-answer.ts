/**
 * An Idempotency-Key on what does no harm when it is done twice: the first answer is kept, and every later request with the key gets that
 * one and does nothing. Of two at the same time both may do it; both are told the answer of one.
 */
import { and, eq, gt, lte, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { OnceAnswer, OnceClaim } from '../accounts/answer-once.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { idempotency } from '../database/schema/idempotency.ts'

const DONE = 200

/** `subject` is the sandbox it is about. Throws idempotency_key_reused. What `answer` throws is not kept. */
export async function keepFirstAnswer(
  { database: { db }, instance }: Controller,
  once: OnceClaim | undefined,
  subject: string,
  answer: () => Promise<string>,
): Promise<OnceAnswer> {
  if (once === undefined) return { text: await answer(), isReplay: false }
  const earlier = await keptAnswer(db, once)
  if (earlier !== undefined) return { text: earlier, isReplay: true }
  const text = await answer()
  const kept = {
    ...once,
    sandbox: subject,
    instance: instance.number,
    status: DONE,
    response: text,
    expiresAt: sql`now() + make_interval(secs => ${LIMITS.idempotencyTtlSec})`,
  }
  const { rowCount } = await db
    .insert(idempotency)
    .values(kept)
    .onConflictDoUpdate({
      target: [idempotency.tenant, idempotency.route, idempotency.key],
      set: kept,
      setWhere: lte(idempotency.expiresAt, sql`now()`),
    })
  if (rowCount === 1) return { text, isReplay: false }
  return { text: (await keptAnswer(db, once)) ?? text, isReplay: true }
}

async function keptAnswer(db: Db, { tenant, route, key, fingerprint }: OnceClaim): Promise<string | undefined> {
  const [kept] = await db
    .select({ fingerprint: idempotency.fingerprint, response: idempotency.response })
    .from(idempotency)
    .where(
      and(
        eq(idempotency.tenant, tenant),
        eq(idempotency.route, route),
        eq(idempotency.key, key),
        gt(idempotency.expiresAt, sql`now()`),
      ),
    )
  if (kept === undefined) return undefined
  if (kept.fingerprint === fingerprint) return kept.response ?? undefined
  throw new AppError('idempotency_key_reused', 'This Idempotency-Key was used for a different request.')
}
