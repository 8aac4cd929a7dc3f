/**
 * Server-sent events out of a source of events, in the dialect that clients in the field read: one line of compact JSON an event, the
 * type both in `event:` and inside the data, an id to go on from, and a comment when nothing has happened for a while.
 */
import { adviceFor } from '../../../shared/errors.ts'
import { toCallersError } from './answer-error.ts'
import { type Asides, pulledStream } from './pulled-stream.ts'

export type ServerEvent = { event: string; id?: string; data: Record<string, unknown> }
/** An event, or only how far the reader has come: an id without data is remembered by clients, and shown to nobody. */
export type StreamItem = ServerEvent | { place: string }

export const EVENT_ASIDES: Asides = {
  heartbeat: () => ': keepalive\n\n',
  failure: (thrown) => serverEventText(errorEvent(thrown)),
}

export const eventStream = (
  source: (left: AbortSignal) => AsyncIterable<StreamItem>,
  heartbeatMs?: number,
): ReadableStream<Uint8Array> => pulledStream((left) => texts(source(left)), EVENT_ASIDES, heartbeatMs)

async function* texts(items: AsyncIterable<StreamItem>): AsyncGenerator<string> {
  for await (const item of items) yield serverEventText(item)
}

/** The stream has begun, so the error can have no status: it is the last event. */
export function errorEvent(thrown: unknown): ServerEvent {
  const error = toCallersError(thrown)
  const { code, message } = error
  const { retry, next } = adviceFor(error)
  return { event: 'error', data: { type: 'error', code, message, retry, next } }
}

export function serverEventText(item: StreamItem): string {
  if ('place' in item) return `id: ${item.place}\n\n`
  const { event, id, data } = item
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}
