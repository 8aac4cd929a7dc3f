/**
 * What browsers of other origins are told, by the edge and by every region alike. Keys travel in a header and never in cookies, so a
 * page of any origin may ask: it can send only what it was given.
 */
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const A_DAY_SEC = 86_400

/** Of every answer to a request that names its origin. */
export const corsHeaders = (hasOrigin: boolean): Record<string, string> =>
  hasOrigin ? { 'access-control-allow-origin': '*', 'access-control-expose-headers': '*' } : {}

/** What a browser is told before it sends a request with a key. `asked` is its Access-Control-Request-Headers. */
export const preflightHeaders = (asked: string | null): Record<string, string> => ({
  'access-control-allow-origin': '*',
  'access-control-allow-methods': METHODS,
  'access-control-allow-headers': asked ?? '*',
  'access-control-max-age': String(A_DAY_SEC),
  allow: `${METHODS}, OPTIONS`,
})
