/** Opens the stream of a console: one of the bounded number of streams, which end when their key is revoked or this process stops. */
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { drained } from '../events/keep-publishing.ts'
import type { OpenStream } from '../events/streams.ts'
import { eventStream, type ServerEvent } from '../http/event-stream.ts'
import { followConsole, type LogStart } from './follow-console.ts'

export type LogRequest = { principal: Principal; row: SandboxRow; from: LogStart; caller: AbortSignal }

/** Throws draining, and stream_limit. */
export function openLog(
  controller: Controller,
  { principal, row, from, caller }: LogRequest,
): ReadableStream<Uint8Array> {
  if (controller.isDraining()) throw drained()
  const stream = controller.events.streams.open(principal)
  // A caller who has left before the answer began reads nothing, and closes nothing.
  caller.addEventListener('abort', stream.close, { once: true })
  if (caller.aborted) stream.close()
  return eventStream((left) => {
    left.addEventListener('abort', stream.close, { once: true })
    return closing(followConsole(controller, row, from, AbortSignal.any([left, stream.signal])), stream)
  })
}

async function* closing(events: AsyncIterable<ServerEvent>, stream: OpenStream): AsyncGenerator<ServerEvent> {
  try {
    yield* events
  } finally {
    stream.close()
  }
}
