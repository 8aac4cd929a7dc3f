/** What the authority over the limits asks of this region. */
import { QUOTA_REGION_ROUTES } from '../../../shared/contracts/quota.ts'
import { lowerIdle } from '../quota/grant-row.ts'
import { json, type Serve } from './serve-route.ts'

export function serveQuota(serve: Serve<null>): void {
  serve(QUOTA_REGION_ROUTES.giveBack, async ({ controller, body }) =>
    json(await lowerIdle(controller.database.db, body.tenant, body.need)),
  )
}
