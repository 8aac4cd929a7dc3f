/** Whom the region asks for a share: the edge, or nobody. */
import { request } from 'undici'
import { QUOTA_EDGE_ROUTES, type QuotaAnswer, type QuotaReport, quotaAnswer } from '../../../shared/contracts/quota.ts'
import { LIMITS } from '../../../shared/limits.ts'

export type Authority = {
  /** Whether other regions have a part in the limit. */
  isShared: boolean
  /** Throws when no answer comes in time: nothing, or something that the next exchange finds, was done. */
  exchange(report: QuotaReport): Promise<QuotaAnswer>
}

/** A region that is the only one: it takes the whole limit. */
export const aloneAuthority = (): Authority => ({
  isShared: false,
  exchange: async ({ epoch, limit, used }) => ({ kind: 'share', epoch, granted: limit, limit, running: used }),
})

export const edgeAuthority = (edgeUrl: string, internalToken: string): Authority => ({
  isShared: true,
  async exchange(report) {
    const { statusCode, body } = await request(new URL(QUOTA_EDGE_ROUTES.exchange.path, edgeUrl), {
      method: QUOTA_EDGE_ROUTES.exchange.method,
      headers: { authorization: `Bearer ${internalToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(report),
      signal: AbortSignal.timeout(LIMITS.quotaExchangeMs),
    })
    if (statusCode === QUOTA_EDGE_ROUTES.exchange.status) return quotaAnswer.parse(await body.json())
    await body.dump()
    throw new Error(`The authority answered ${statusCode}.`)
  },
})
