/** What people read before they have a key: the API's document, and a page to read and try it. */
import { ALL_ROUTES } from '../../../shared/contracts/all-routes.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { readAsset } from '../docs/assets.ts'
import { openApiDocument } from '../openapi/document.ts'
import { answerHeaders, arrive } from './arrival.ts'
import type { Handler } from './system-routes.ts'

/** Nothing from elsewhere is loaded, run or shown, and a key that is typed into the page is sent nowhere but here. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const KEPT_SEC = 300

export function openApi(controller: Controller): Handler {
  let text: string | undefined
  return async (c) => {
    const arrival = arrive(c.env.incoming)
    arrival.route = '/v1/openapi.json'
    text ??= JSON.stringify(openApiDocument(ALL_ROUTES))
    return new Response(text, {
      headers: { 'content-type': 'application/json', ...keep, ...answerHeaders(controller, arrival) },
    })
  }
}

export const docs =
  (controller: Controller): Handler =>
  async (c) => {
    const arrival = arrive(c.env.incoming)
    arrival.route = '/docs'
    const asset = await readAsset(c.req.path.replace(/\/$/, ''))
    if (asset === undefined) throw new AppError('route_not_found', 'There is no such page.')
    const isPackable = (c.req.header('accept-encoding') ?? '').includes('gzip')
    return new Response(new Uint8Array(isPackable ? asset.packed : asset.plain), {
      headers: {
        'content-type': asset.type,
        'content-security-policy': PAGE_POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        vary: 'accept-encoding',
        ...(isPackable ? { 'content-encoding': 'gzip' } : {}),
        ...keep,
        ...answerHeaders(controller, arrival),
      },
    })
  }

const keep = { 'cache-control': `public, max-age=${KEPT_SEC}` }
