/** What a browser asks before it sends a request with a key to another origin. */
import { preflightHeaders } from '../../shared/cors.ts'

export function answerPreflight(request: Request, requestId: string): Response {
  const asked = request.headers.get('access-control-request-headers')
  return new Response(null, { status: 204, headers: { ...preflightHeaders(asked), 'x-request-id': requestId } })
}
