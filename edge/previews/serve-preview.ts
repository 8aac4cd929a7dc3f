/**
 * A visitor of `<port>-<sandbox>.<preview domain>`: checked as far as the edge can, signed for, and carried to the region of the
 * sandbox, which decides. Nothing of it is an API request: there is no key, no scope, no CORS of ours and no JSON but in errors.
 */
import { AppError, errorHeaders, toAppError } from '../../shared/errors.ts'
import { type PreviewAddress, readPreviewHost } from '../../shared/preview-address.ts'
import { PAGE_POLICY, previewError } from '../../shared/preview-page.ts'
import { type PassClaims, REFUSED_HEADER, SHARE_TOKEN, type ShareClaims } from '../../shared/preview-words.ts'
import { logError } from '../answers/answer-error.ts'
import { readConfig } from '../config.ts'
import { readRegistry } from '../regions/read-registry.ts'
import { refuseLoop } from '../requests/hops.ts'
import type { Arrival } from '../requests/visit.ts'
import { carry } from './carry-preview.ts'
import { withoutParameter } from './query.ts'
import { type Shown, shareCookie, shownToken, verifyShare } from './share-token.ts'
import { carriesCredential, headersForVisitor } from './visitor-headers.ts'

/** Null for a host that is not one of previews. */
export function servePreviewHost(arrival: Arrival): Promise<Response> | null {
  const address = readPreviewHost(new URL(arrival.request.url).hostname, arrival.bindings.PREVIEW_DOMAIN)
  if (address === 'elsewhere') return null
  return servePreview(arrival, address).catch((thrown: unknown) => answerRefusal(arrival, toAppError(thrown)))
}

async function servePreview(arrival: Arrival, address: PreviewAddress | 'unreadable'): Promise<Response> {
  const { request, bindings, reading, requestId } = arrival
  refuseLoop(request.headers)
  const [config, registry] = await Promise.all([readConfig(bindings), readRegistry(bindings, reading)])
  const region = registry.regions.find(({ code }) => address !== 'unreadable' && code === address.region)
  if (address === 'unreadable' || region === undefined) throw noSuchPreview()

  const url = new URL(request.url)
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const shown = shownToken(request.headers, url, scheme)
  const share = shown === null ? null : await verifyShare(shown.token, address, config.shareSecret, reading.nowMs)
  const search = withoutParameter(url.search, SHARE_TOKEN.parameter)
  if (carriesCredential(decoded(search))) throw keyInUrl()
  const clientIp = request.headers.get('cf-connecting-ip')
  const response = await carry(arrival, {
    address,
    region,
    isOnlyRegion: registry.regions.length === 1,
    config,
    path: url.pathname + search,
    visitor: {
      ...(share === null ? {} : { share: passOf(share) }),
      hasBadShare: shown !== null && share === null,
      requestId,
      method: request.method,
      host: url.host,
      scheme,
      ...(clientIp === null ? {} : { clientIp }),
    },
  })
  // A switched protocol belongs to the two ends; rebuilding its answer would cut the connection.
  if (response.status === 101) return response
  const headers = headersForVisitor(response.headers, requestId, region.code)
  const isRefused = response.headers.has(REFUSED_HEADER)
  if (!isRefused && shown !== null && share !== null) keepShare(headers, shown, share, scheme, reading.nowMs)
  const body = request.method === 'HEAD' ? null : response.body
  return new Response(body, { status: response.status, statusText: response.statusText, headers })
}

const passOf = ({ sub: preview, round, share }: ShareClaims): PassClaims['share'] => ({
  preview,
  round,
  ...(share === undefined ? {} : { id: share }),
})

/** What the page loads next comes without the query that opened it. */
function keepShare(headers: Headers, { token, by }: Shown, share: ShareClaims, scheme: string, nowMs: number): void {
  if (by === 'query') headers.append('set-cookie', shareCookie(token, share, scheme, nowMs))
}

function answerRefusal({ request, requestId }: Arrival, error: AppError): Response {
  if (error.status >= 500) logError(error, request, requestId)
  const { body, contentType } = previewError(error, requestId, request.headers.get('accept'))
  const headers = {
    'content-type': contentType,
    'content-security-policy': PAGE_POLICY,
    'cache-control': 'no-store',
    'x-request-id': requestId,
    ...errorHeaders(error),
  }
  return new Response(request.method === 'HEAD' ? null : body, { status: error.status, headers })
}

function decoded(search: string): string {
  try {
    return decodeURIComponent(search)
  } catch {
    return search
  }
}

const noSuchPreview = (): AppError => new AppError('preview_not_found', 'There is no such preview.')
const keyInUrl = (): AppError =>
  new AppError('missing_token', 'An API key in the URL is refused. Treat that key as leaked: replace it.')
