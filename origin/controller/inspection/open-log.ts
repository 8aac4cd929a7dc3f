/** Opens the stream of a console: one of the bounded number of streams, which end when their key is revoked or this process stops. */
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { heldStream } from '../events/held-stream.ts'
import { drained } from '../events/keep-publishing.ts'
import { followConsole, type LogStart } from './follow-console.ts'

export type LogRequest = { principal: Principal; row: SandboxRow; from: LogStart; caller: AbortSignal }

/** Throws draining, and stream_limit. */
export function openLog(
  controller: Controller,
  { principal, row, from, caller }: LogRequest,
): ReadableStream<Uint8Array> {
  if (controller.isDraining()) throw drained()
  const stream = controller.events.streams.open(principal)
  return heldStream(stream, caller, (until) => followConsole(controller, row, from, until))
}
