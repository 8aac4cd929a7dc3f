/** Whom the region asks for a share: the edge, or nobody. */
import { request } from 'undici'
import { QUOTA_EDGE_ROUTES, type QuotaAnswer, type QuotaReport, quotaAnswer } from '../../../shared/contracts/quota.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import { LIMITS } from '../../../shared/limits.ts'

export type Authority = {
  /** Whether other regions have a part in the limit. */
  isShared: boolean
  /** Throws when no answer comes in time: nothing, or something that the next exchange finds, was done. */
  exchange(report: QuotaReport): Promise<QuotaAnswer>
  /** Takes from a dead region what it holds. Throws likewise. */
  fence(region: string, tenant: string): Promise<void>
}

/** A region that is the only one: it takes the whole limit. */
export const aloneAuthority = (): Authority => ({
  isShared: false,
  exchange: async ({ epoch, limit, used }) => ({ kind: 'share', epoch, granted: limit, limit, running: used }),
  fence: async () => {},
})

export const edgeAuthority = (edgeUrl: string, internalToken: string): Authority => {
  const send = async ({ path, method, status }: Route, body: unknown): Promise<unknown> => {
    const answer = await request(new URL(path, edgeUrl), {
      method,
      headers: { authorization: `Bearer ${internalToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(LIMITS.quotaExchangeMs),
    })
    const text = await answer.body.text()
    if (answer.statusCode !== status) throw new Error(`The authority answered ${answer.statusCode}.`)
    return text === '' ? undefined : JSON.parse(text)
  }
  return {
    isShared: true,
    exchange: async (report) => quotaAnswer.parse(await send(QUOTA_EDGE_ROUTES.exchange, report)),
    fence: async (region, tenant) => void (await send(QUOTA_EDGE_ROUTES.fence, { region, tenant })),
  }
}
