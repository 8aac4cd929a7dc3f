/** What regions and operators ask of the authority: parsed, and handed to the tenant's Durable Object. */
import type { Context, Hono } from 'hono'
import type * as z from 'zod'
import { QUOTA_EDGE_ROUTES } from '../../shared/contracts/quota.ts'
import { AppError } from '../../shared/errors.ts'
import type { Edge } from '../bindings.ts'
import { readRegistry } from '../regions/read-registry.ts'
import { admitInternal } from '../requests/admit-internal.ts'

const BODY_BYTES_MAX = 4_096

export function serveQuota(app: Hono<Edge>): void {
  app.post(QUOTA_EDGE_ROUTES.exchange.path, async (c) => {
    const report = await bodyOf(c, QUOTA_EDGE_ROUTES.exchange.body)
    const { regions } = await readRegistry(c.env, readingOf(c))
    return c.json(await authorityOf(c, report.tenant).exchange(report, regions))
  })
  app.post(QUOTA_EDGE_ROUTES.fence.path, async (c) => {
    const { tenant, region } = await bodyOf(c, QUOTA_EDGE_ROUTES.fence.body)
    await authorityOf(c, tenant).fence(region)
    return c.body(null, QUOTA_EDGE_ROUTES.fence.status)
  })
}

const authorityOf = (c: Context<Edge>, tenant: string) => c.env.TENANT_QUOTA.getByName(tenant)

const readingOf = (c: Context<Edge>) => ({
  nowMs: c.get('startedAtMs'),
  inBackground: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
})

/** Throws invalid_token, body_too_large, invalid_json, invalid_request. */
async function bodyOf<Schema extends z.ZodType>(c: Context<Edge>, schema: Schema): Promise<z.infer<Schema>> {
  await admitInternal(c.req.raw, c.env)
  const length = Number(c.req.header('content-length') ?? Number.NaN)
  if (!(length <= BODY_BYTES_MAX))
    throw new AppError('body_too_large', `The body must say its length and have at most ${BODY_BYTES_MAX} bytes.`)
  const body: unknown = await c.req.json().catch((cause: unknown) => {
    throw new AppError('invalid_json', 'The body is not JSON.', { cause })
  })
  const read = schema.safeParse(body)
  if (read.success) return read.data
  throw new AppError('invalid_request', 'These words are not of the contract.', { cause: read.error })
}
