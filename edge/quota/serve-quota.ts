/** What regions and operators ask of the authority: parsed, and handed to the tenant's Durable Object. */
import type { Context, Hono } from 'hono'
import { QUOTA_EDGE_ROUTES } from '../../shared/contracts/quota.ts'
import type { Edge } from '../bindings.ts'
import { readRegistry } from '../regions/read-registry.ts'
import { internalBody } from '../requests/internal-body.ts'

const BODY_BYTES_MAX = 4_096

export function serveQuota(app: Hono<Edge>): void {
  app.post(QUOTA_EDGE_ROUTES.exchange.path, async (c) => {
    const report = await internalBody(c, QUOTA_EDGE_ROUTES.exchange.body, BODY_BYTES_MAX)
    const { regions } = await readRegistry(c.env, readingOf(c))
    return c.json(await authorityOf(c, report.tenant).exchange(report, regions))
  })
  app.post(QUOTA_EDGE_ROUTES.fence.path, async (c) => {
    const { tenant, region } = await internalBody(c, QUOTA_EDGE_ROUTES.fence.body, BODY_BYTES_MAX)
    await authorityOf(c, tenant).fence(region)
    return c.body(null, QUOTA_EDGE_ROUTES.fence.status)
  })
}

const authorityOf = (c: Context<Edge>, tenant: string) => c.env.TENANT_QUOTA.getByName(tenant)

const readingOf = (c: Context<Edge>) => ({
  nowMs: c.get('startedAtMs'),
  inBackground: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
})
