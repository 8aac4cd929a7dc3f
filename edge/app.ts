/**
 * The edge: one Worker in front of all regions.
 *
 *   requests/   lets a request in: loops, paths, sizes, deadlines
 *   accounts/   whose key it is and what it may
 *   steering/   which region
 *   forward/    signed, sent, streamed back        failover/   what to do when that fails
 *   lists/      what several regions answer together
 *   previews/   visitors of what runs in a sandbox
 *   quota/      how a tenant's limit is shared out between regions
 *   idempotency/ which region has the sandbox of a key, and which has to give one up
 *   capacity/   what regions have free             kv/         copies of what KV says
 *
 * It decides nothing that must be exact; a region re-checks everything that changes state. What is exact lives in Durable Objects: quota/,
 * which is never on the path of a request, and idempotency/, which is asked while the create is already on its way.
 */
import { type Context, Hono } from 'hono'
import { PODFLARE_ROUTES } from '../shared/contracts/podflare.ts'
import { ERROR_PAGE_PATH } from '../shared/error-page.ts'
import { toAppError } from '../shared/errors.ts'
import { serveRecords } from './accounts/accept-records.ts'
import { answerError } from './answers/answer-error.ts'
import { answerErrorPage } from './answers/answer-error-page.ts'
import { corsHeaders } from './answers/answer-headers.ts'
import { answerPreflight } from './answers/answer-preflight.ts'
import type { Edge } from './bindings.ts'
import { servePreviewHost } from './previews/serve-preview.ts'
import { serveQuota } from './quota/serve-quota.ts'
import { serveRegistry } from './regions/serve-registry.ts'
import type { Arrival } from './requests/visit.ts'
import { DOCUMENT_PATHS, serveDocument } from './serve-document.ts'
import { serveRequest } from './serve-request.ts'

export const app = new Hono<Edge>()

app.use((c, next) => {
  c.set('requestId', `req_${crypto.randomUUID().replaceAll('-', '')}`)
  c.set('startedAtMs', Date.now())
  return next()
})

/** Such a host belongs to a sandbox whole: no path of it is ours. */
app.use((c, next) => servePreviewHost(arrivalOf(c)) ?? next())

app.options('*', (c) => answerPreflight(c.req.raw, c.get('requestId')))

for (const path of ['/healthz', '/v1/healthz', '/api/v1/healthz']) {
  app.get(path, (c) =>
    Response.json({ ok: true }, { headers: { 'x-request-id': c.get('requestId'), ...corsHeaders(c.req.raw) } }),
  )
}

app.get(PODFLARE_ROUTES.healthz.path, (c) =>
  c.text('ok', 200, { 'x-request-id': c.get('requestId'), ...corsHeaders(c.req.raw) }),
)

serveQuota(app)
serveRecords(app)
serveRegistry(app)

app.get(ERROR_PAGE_PATH, (c) => answerErrorPage(c.get('requestId')))

for (const path of DOCUMENT_PATHS) app.get(path, (c) => serveDocument(arrivalOf(c)))

app.all('*', (c) => serveRequest(arrivalOf(c)))

app.onError((thrown, c) => answerError(toAppError(thrown), c.req.raw, c.get('requestId')))

const arrivalOf = (c: Context<Edge>): Arrival => ({
  request: c.req.raw,
  bindings: c.env,
  requestId: c.get('requestId'),
  startedAtMs: c.get('startedAtMs'),
  reading: { nowMs: c.get('startedAtMs'), inBackground: (work) => c.executionCtx.waitUntil(work) },
})
