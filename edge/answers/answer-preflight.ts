/** What a browser asks before it sends a request with a key to another origin. */
const A_DAY_SEC = 86_400

export function answerPreflight(request: Request, requestId: string): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '*',
      'access-control-max-age': String(A_DAY_SEC),
      allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
      'x-request-id': requestId,
    },
  })
}
