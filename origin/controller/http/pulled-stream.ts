/**
 * A streamed answer out of a source of text. The source is asked for more only when the reader has taken what came before, so a slow
 * reader holds up its own source and nothing else. Its signal is aborted when the reader is gone; it must end then, and end its wait.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'

/** What is said when nothing has happened for a while, and when the source fails: the answer has begun, so that is its last word. */
export type Asides = { heartbeat: () => string; failure: (thrown: unknown) => string }

export function pulledStream(
  source: (left: AbortSignal) => AsyncIterable<string>,
  { heartbeat, failure }: Asides,
  heartbeatMs: number = LIMITS.streamHeartbeatMs,
): ReadableStream<Uint8Array> {
  const left = new AbortController()
  const pieces = source(left.signal)[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  let next: Promise<IteratorResult<string>> | undefined

  return new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        next ??= pieces.next()
        const turn = new AbortController()
        const silence = sleep(heartbeatMs, 'silence' as const, { signal: turn.signal }).catch(() => 'silence' as const)
        try {
          const first = await Promise.race([next, silence])
          if (first === 'silence') return stream.enqueue(encoder.encode(heartbeat()))
          next = undefined
          if (first.done === true) return stream.close()
          stream.enqueue(encoder.encode(first.value))
        } catch (thrown) {
          if (left.signal.aborted) return
          stream.enqueue(encoder.encode(failure(thrown)))
          stream.close()
        } finally {
          turn.abort()
        }
      },
      async cancel() {
        left.abort(new Error('The reader is gone.'))
        next?.catch(() => {})
        await pieces.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
