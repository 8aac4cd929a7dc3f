/** A stream of events that holds one of the places for streams for as long as somebody reads it, and no longer. */
import { eventStream, type StreamItem } from '../http/event-stream.ts'
import type { OpenStream } from './streams.ts'

/** `until` is aborted when the reader is gone, or must hear why the stream ends. `caller` may have left before anything was read. */
export function heldStream(
  { signal, close }: OpenStream,
  caller: AbortSignal,
  source: (until: AbortSignal) => AsyncIterable<StreamItem>,
): ReadableStream<Uint8Array> {
  caller.addEventListener('abort', close, { once: true })
  if (caller.aborted) close()
  return eventStream((left) => {
    left.addEventListener('abort', close, { once: true })
    return closing(source(AbortSignal.any([left, signal])), close)
  })
}

async function* closing(items: AsyncIterable<StreamItem>, close: () => void): AsyncGenerator<StreamItem> {
  try {
    yield* items
  } finally {
    close()
  }
}
