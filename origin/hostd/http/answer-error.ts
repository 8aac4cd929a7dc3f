/** Errors as this daemon's callers see them: the one table's status, body and headers. */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { AppError, errorBody, errorHeaders, toAppError } from '../../../shared/errors.ts'
import { describe, type Log } from '../log.ts'

export function answerError(thrown: unknown, log: Log): Response {
  const error = asAppError(thrown)
  const requestId = randomUUID()
  if (error.status >= 500) log('request-failed', { request: requestId, code: error.code, ...describe(thrown) })
  return Response.json(errorBody(error, requestId), { status: error.status, headers: errorHeaders(error) })
}

function asAppError(thrown: unknown): AppError {
  if (thrown instanceof z.ZodError)
    return new AppError('invalid_request', z.prettifyError(thrown), { details: { issues: thrown.issues.length } })
  if (thrown instanceof SyntaxError) return new AppError('invalid_json', 'The body is not JSON.')
  return toAppError(thrown)
}
