/** A stream of events that holds one of the places for streams for as long as somebody reads it, and no longer. */
import { eventStream, type StreamItem } from '../http/event-stream.ts'
import type { OpenStream } from './streams.ts'

type Source<T> = (until: AbortSignal) => AsyncIterable<T>

/** `until` is aborted when the reader is gone, or must hear why the stream ends. `caller` may have left before anything was read. */
export const heldStream = (open: OpenStream, caller: AbortSignal, source: Source<StreamItem>) =>
  held(open, caller, source, (events) => eventStream(events))

/** The same in whatever form. */
export function held<T>(
  { signal, close }: OpenStream,
  caller: AbortSignal,
  source: Source<T>,
  told: (source: Source<T>) => ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  caller.addEventListener('abort', close, { once: true })
  if (caller.aborted) close()
  return told((left) => {
    left.addEventListener('abort', close, { once: true })
    return closing(source(AbortSignal.any([left, signal])), close)
  })
}

async function* closing<T>(items: AsyncIterable<T>, close: () => void): AsyncGenerator<T> {
  try {
    yield* items
  } finally {
    close()
  }
}
