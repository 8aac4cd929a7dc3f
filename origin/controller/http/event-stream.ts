/**
 * Server-sent events out of a source of events, in the dialect that clients in the field read: one line of compact JSON an event, the
 * type both in `event:` and inside the data, an id to go on from, and a comment when nothing has happened for a while.
 *
 * The source is asked for the next event only when the reader has taken the one before, so a slow reader holds up its own source and
 * nothing else. Its signal is aborted when the reader is gone; it must end then, and end its wait.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { adviceFor } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { toCallersError } from './answer-error.ts'

export type ServerEvent = { event: string; id?: string; data: Record<string, unknown> }
/** An event, or only how far the reader has come: an id without data is remembered by clients, and shown to nobody. */
export type StreamItem = ServerEvent | { place: string }

const KEEPALIVE = new TextEncoder().encode(': keepalive\n\n')

export function eventStream(
  source: (left: AbortSignal) => AsyncIterable<StreamItem>,
  heartbeatMs: number = LIMITS.streamHeartbeatMs,
): ReadableStream<Uint8Array> {
  const left = new AbortController()
  const events = source(left.signal)[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  let next: Promise<IteratorResult<StreamItem>> | undefined

  return new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        next ??= events.next()
        const turn = new AbortController()
        const heartbeat = sleep(heartbeatMs, 'heartbeat' as const, { signal: turn.signal }).catch(
          () => 'heartbeat' as const,
        )
        try {
          const first = await Promise.race([next, heartbeat])
          if (first === 'heartbeat') return stream.enqueue(KEEPALIVE)
          next = undefined
          if (first.done === true) return stream.close()
          stream.enqueue(encoder.encode(lineOf(first.value)))
        } catch (thrown) {
          if (left.signal.aborted) return
          stream.enqueue(encoder.encode(lineOf(errorEvent(thrown))))
          stream.close()
        } finally {
          turn.abort()
        }
      },
      async cancel() {
        left.abort(new Error('The reader is gone.'))
        next?.catch(() => {})
        await events.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

/** The stream has begun, so the error can have no status: it is the last event. */
export function errorEvent(thrown: unknown): ServerEvent {
  const error = toCallersError(thrown)
  const { code, message } = error
  const { retry, next } = adviceFor(error)
  return { event: 'error', data: { type: 'error', code, message, retry, next } }
}

const lineOf = (item: StreamItem): string => {
  if ('place' in item) return `id: ${item.place}\n\n`
  const { event, id, data } = item
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}
