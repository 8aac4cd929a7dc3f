/** Tells what a process says, from the agent that holds it to whoever asked, in their form. */
import type { Frame } from '../../../shared/frames.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { held } from '../events/held-stream.ts'
import { drained } from '../events/keep-publishing.ts'
import type { GuestRequest } from '../hosts/guest-calls.ts'
import { type Form, type ToldEvent, tellEvents } from '../http/told-events.ts'
import { type Answered, askGuest, type FoundAsking, type GuestAsking } from '../sandboxes/ask-guest.ts'
import type { OutputCursor } from './output-cursor.ts'
import { type OutputFrames, outputFrames, readStart } from './output-frames.ts'
import { OutputTeller } from './tell-output.ts'

export type OutputAsking = {
  principal: Principal
  asking: GuestAsking | FoundAsking
  form: Exclude<Form, 'json'>
  /** What is asked of the agent, which answers with frames. */
  request: GuestRequest
  from: OutputCursor
  /** What is started by it, as it is shown. */
  command?: string
}
/** `pid` is null of what could not be started. */
export type OpenOutput = { pid: string | null; stream: ReadableStream<Uint8Array> }

/** Throws what the caller should hear before anything is told, draining and stream_limit among it. */
export async function openOutput(
  controller: Controller,
  { principal, asking, form, from, request, command }: OutputAsking,
): Promise<OpenOutput> {
  if (controller.isDraining()) throw drained()
  const place = controller.events.streams.open(principal, 'output')
  try {
    const answered = await askGuest(controller, asking, request)
    const frames = outputFrames(controller, answered, command !== undefined)
    const first = await frames.next()
    if (first === undefined) throw await frames.whyCut()
    const { pid, rest } = frames.understand(() => readStart(first))
    if (pid !== null && command !== undefined)
      controller.commands.awaited.add(answered.row.id, pid, command, controller.clock())
    const teller = new OutputTeller(from, controller.clock)
    const source = (until: AbortSignal) => tellAll(controller, answered, { frames, pid, rest, teller, until })
    return { pid, stream: held(place, asking.caller, source, (told) => tellEvents(form, told, controller.clock)) }
  } catch (thrown) {
    place.close()
    throw thrown
  }
}

type Telling = { frames: OutputFrames; pid: string | null; rest: Frame[]; teller: OutputTeller; until: AbortSignal }

async function* tellAll(
  controller: Controller,
  { row }: Answered,
  { frames, pid, rest, teller, until }: Telling,
): AsyncGenerator<ToldEvent[]> {
  until.addEventListener('abort', frames.leave, { once: true })
  try {
    for (let batch: Frame[] | undefined = rest; batch !== undefined; batch = await frames.next()) {
      until.throwIfAborted()
      const come = batch
      const events = frames.understand(() => teller.tell(come))
      if (pid !== null && teller.end !== undefined) controller.commands.awaited.end(row.id, pid, teller.end)
      yield events
      if (teller.end !== undefined) return
    }
    throw await frames.whyCut()
  } catch (thrown) {
    // Who made it end has said why; that the answer broke off is only what followed.
    until.throwIfAborted()
    throw thrown
  } finally {
    until.removeEventListener('abort', frames.leave)
    if (teller.end === undefined) frames.leave()
    else frames.end()
  }
}
