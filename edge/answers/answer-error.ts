/** Any error as an answer of the one table, in the words of the door that was asked. What is our fault, or a region's, is logged with its cause, and without its query: tickets travel there. */
import { type AppError, errorBody, errorHeaders } from '../../shared/errors.ts'
import { podflareError } from '../../shared/podflare-errors.ts'
import { withoutSecrets } from '../../shared/redact.ts'
import { rateLimitHeaders } from '../accounts/limit-rate.ts'
import { corsHeaders } from './answer-headers.ts'

export function answerError(error: AppError, request: Request, requestId: string): Response {
  if (error.status >= 500) logError(error, request, requestId)
  const limit = error.details?.limit
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'x-request-id': requestId,
    ...corsHeaders(request),
    ...errorHeaders(error),
    ...(error.code === 'rate_limit_exceeded' && typeof limit === 'number' ? rateLimitHeaders(limit) : {}),
  }
  const told = podflareError(new URL(request.url).pathname, error) ?? {
    status: error.status,
    body: errorBody(error, requestId),
  }
  const body = request.method === 'HEAD' ? null : JSON.stringify(told.body)
  return new Response(body, { status: told.status, headers })
}

export function logError(error: AppError, request: Request, requestId: string): void {
  const { code, message, detail, cause } = error
  const line = {
    level: 'error',
    requestId,
    code,
    message,
    detail,
    cause: String(cause ?? ''),
    path: new URL(request.url).pathname,
  }
  console.error(withoutSecrets(JSON.stringify(line)))
}
