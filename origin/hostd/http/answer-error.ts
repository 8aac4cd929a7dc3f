/** Errors as this daemon's callers see them: the one table's status, body and headers. */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { AppError, errorBody, errorHeaders, toAppError } from '../../../shared/errors.ts'
import { fullDisk } from '../capacity/full-disk.ts'
import { describe, type Log } from '../log.ts'

/** That nothing listens on a port is its sandbox's own affair, and visitors may ask often. */
const isOurs = ({ status, code }: AppError): boolean => status >= 500 && code !== 'port_closed'

export function answerError(thrown: unknown, log: Log): Response {
  const error = asAppError(thrown)
  const requestId = randomUUID()
  if (isOurs(error)) log('request-failed', { request: requestId, code: error.code, ...describe(thrown) })
  return Response.json(errorBody(error, requestId), { status: error.status, headers: errorHeaders(error) })
}

/** What the caller hears, whatever was thrown. */
export function asAppError(thrown: unknown): AppError {
  if (thrown instanceof z.ZodError)
    return new AppError('invalid_request', z.prettifyError(thrown), { details: { issues: thrown.issues.length } })
  if (thrown instanceof SyntaxError) return new AppError('invalid_json', 'The body is not JSON.')
  return fullDisk(thrown) ?? toAppError(thrown)
}
