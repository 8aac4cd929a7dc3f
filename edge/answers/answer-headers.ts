/** The headers that the edge adds to every answer, and those that stay between it and the regions. */

export type Notes = {
  requestId: string
  regions: readonly string[]
  failover: string | null
  edgeMs: number
  regionMs: number
}

/** Request: whether a browser of another origin asks. Keys travel in a header, never in cookies, so any origin may. */
export function corsHeaders(request: Request): Record<string, string> {
  if (!request.headers.has('origin')) return {}
  return { 'access-control-allow-origin': '*', 'access-control-expose-headers': '*' }
}

const KEPT_INSIDE = ['x-origin', 'x-region-load', 'connection', 'keep-alive', 'transfer-encoding']

export function answerHeaders(fromRegion: Headers, notes: Notes, cors: Record<string, string>): Headers {
  const headers = new Headers(fromRegion)
  for (const name of KEPT_INSIDE) headers.delete(name)
  for (const [name, value] of Object.entries(cors)) headers.set(name, value)
  headers.set('x-request-id', notes.requestId)
  headers.set('x-region', notes.regions.join(','))
  if (notes.failover !== null) headers.set('x-failover', notes.failover)
  headers.set('server-timing', timing(notes, fromRegion.get('server-timing')))
  return headers
}

const timing = ({ edgeMs, regionMs }: Notes, fromRegion: string | null): string =>
  [`edge;dur=${Math.max(0, edgeMs)}`, `region;dur=${regionMs}`, ...(fromRegion === null ? [] : [fromRegion])].join(', ')
