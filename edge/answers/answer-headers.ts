/** The headers that the edge adds to every answer, and those that stay between it and the regions. */
import * as cors from '../../shared/cors.ts'

export type Notes = {
  requestId: string
  regions: readonly string[]
  failover: string | null
  edgeMs: number
  regionMs: number
}

export const corsHeaders = (request: Request): Record<string, string> => cors.corsHeaders(request.headers.has('origin'))

const KEPT_INSIDE = ['x-origin', 'x-region-load', 'connection', 'keep-alive', 'transfer-encoding']

export function answerHeaders(fromRegion: Headers, notes: Notes, crossOrigin: Record<string, string>): Headers {
  const headers = new Headers(fromRegion)
  for (const name of KEPT_INSIDE) headers.delete(name)
  for (const [name, value] of Object.entries(crossOrigin)) headers.set(name, value)
  headers.set('x-request-id', notes.requestId)
  headers.set('x-region', notes.regions.join(','))
  if (notes.failover !== null) headers.set('x-failover', notes.failover)
  headers.set('server-timing', timing(notes, fromRegion.get('server-timing')))
  return headers
}

const timing = ({ edgeMs, regionMs }: Notes, fromRegion: string | null): string =>
  [`edge;dur=${Math.max(0, edgeMs)}`, `region;dur=${regionMs}`, ...(fromRegion === null ? [] : [fromRegion])].join(', ')
