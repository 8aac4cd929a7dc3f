/** Tells a region to give up a create whose sandbox was made elsewhere: what came of it is destroyed, and nothing comes of it any more. */
import * as z from 'zod'
import { ORPHAN_ROUTES, orphanBody } from '../../shared/contracts/orphans.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { StoredDebt } from './stored-debts.ts'

const claimSchema = z.tuple([z.string(), orphanBody.shape.door.unwrap(), z.string().nullable(), z.string()])

/** False when the region did not say that it is done: it may not have heard, and is told again. */
export async function payDebt(regionUrl: string, internalToken: string, debt: StoredDebt): Promise<boolean> {
  try {
    const [tenant, door, external_user_id, idempotency_key] = claimSchema.parse(JSON.parse(debt.claim))
    const { body: body_sha256, owner } = debt
    const response = await fetch(new URL(ORPHAN_ROUTES.abandon.path, regionUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${internalToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ tenant, idempotency_key, external_user_id, door, body_sha256, owner }),
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMITS.debtPaymentMs),
    })
    ORPHAN_ROUTES.abandon.answer.parse(await response.json())
    return response.ok
  } catch {
    return false
  }
}
