/** Asks a region to give back what a tenant does not use of its share there. */
import { QUOTA_REGION_ROUTES, type QuotaRow, quotaRow } from '../../shared/contracts/quota.ts'
import { LIMITS } from '../../shared/limits.ts'

/** Null when the region does not answer: it may have lowered its row, and will report it. */
export async function askBack(
  regionUrl: string,
  internalToken: string,
  asked: { tenant: string; need: number },
): Promise<QuotaRow | null> {
  try {
    const response = await fetch(new URL(QUOTA_REGION_ROUTES.giveBack.path, regionUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${internalToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(asked),
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMITS.quotaGiveBackMs),
    })
    return quotaRow.parse(await response.json())
  } catch {
    return null
  }
}
