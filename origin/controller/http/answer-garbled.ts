/** What HTTP cannot make a request of never reaches the routes, and is told why in the same form as every other refusal. */
import type { Duplex } from 'node:stream'
import { AppError, errorBody } from '../../../shared/errors.ts'

/** `error` is that of the server's event `clientError`. Nothing of an answer may have been written on the connection, which ends with this. */
export function answerGarbled(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const refusal = refusalOf(error.code)
  const requestId = `req_${crypto.randomUUID().replaceAll('-', '')}`
  const body = JSON.stringify(errorBody(refusal, requestId))
  const head = [
    `HTTP/1.1 ${refusal.status} ${refusal.status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'x-origin: 1',
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

function refusalOf(code: string | undefined): AppError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new AppError('headers_too_large', 'The headers of the request are too large.')
  const isLate = code === 'ERR_HTTP_REQUEST_TIMEOUT'
  return new AppError('malformed_request', isLate ? 'The request did not arrive in time.' : 'This is no HTTP request.')
}
