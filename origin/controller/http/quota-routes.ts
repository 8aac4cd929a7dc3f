/** What the authority over the limits asks of this region, and operators of any that lives. */
import { QUOTA_OPERATOR_ROUTES, QUOTA_REGION_ROUTES } from '../../../shared/contracts/quota.ts'
import { fenceRegion } from '../quota/fence-region.ts'
import { lowerIdle } from '../quota/grant-row.ts'
import { json, type Serve } from './serve-route.ts'

export function serveQuota(serve: Serve<null>): void {
  serve(QUOTA_REGION_ROUTES.giveBack, async ({ controller, body }) =>
    json(await lowerIdle(controller.database.db, body.tenant, body.need)),
  )
}

export function serveFences(serve: Serve<null>): void {
  serve(QUOTA_OPERATOR_ROUTES.fence, async ({ controller, body }) =>
    json({ data: { region: body.region, tenants: await fenceRegion(controller, body) } }),
  )
}
