/** Turns whatever was thrown into the shape that callers of its path read. What the log keeps of it stands in record-request.ts. */
import { AppError, errorBody, errorHeaders, toAppError } from '../../../shared/errors.ts'
import { podflareError } from '../../../shared/podflare-errors.ts'
import type { Controller } from '../controller.ts'
import { isDatabaseGone } from '../database/is-database-gone.ts'
import { type Arrival, answerHeaders } from './arrival.ts'

/** An error of ours is never shown; a database that is away is not an error of ours. */
export function toCallersError(thrown: unknown): AppError {
  if (!(thrown instanceof AppError) && isDatabaseGone(thrown))
    return new AppError('database_unavailable', 'The database of this region does not answer.', { cause: thrown })
  return toAppError(thrown)
}

export function answerError(controller: Controller, arrival: Arrival, thrown: unknown): Response {
  const error = toCallersError(thrown)
  arrival.failure = error
  const told = podflareError(arrival.pathAndQuery, error) ?? {
    status: error.status,
    body: errorBody(error, arrival.requestId),
  }
  return new Response(JSON.stringify(told.body), {
    status: told.status,
    headers: {
      'content-type': 'application/json',
      ...answerHeaders(controller, arrival),
      ...errorHeaders(error),
      ...rateHeaders(error),
      // What is left of a refused body is not read, so the connection cannot be used again.
      ...(error.code === 'body_too_large' ? { connection: 'close' } : {}),
    },
  })
}

/** The IETF draft's words for "how many at once", beside Retry-After. */
function rateHeaders(error: AppError): Record<string, string> {
  const limit = error.details?.limit
  if (error.code !== 'concurrency_limit' || typeof limit !== 'number') return {}
  return {
    ratelimit: '"concurrency";r=0',
    'ratelimit-policy': `"concurrency";q=${limit};qu="concurrent-requests"`,
  }
}
