/** A call of code that is told while it runs. It holds one of the places for streams, and ends with its reader. */
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { held } from '../events/held-stream.ts'
import type { Arrival } from '../http/arrival.ts'
import { type CodeCall, type RunningCode, runCode } from './run-code.ts'

export type CodeAsked = {
  controller: Controller
  arrival: Arrival
  principal: Principal
  reference: string
  caller: AbortSignal
}

type Told<T> = {
  /** What is told of it. */
  events: (running: RunningCode) => AsyncIterable<T>
  /** In which form. */
  form: (source: (until: AbortSignal) => AsyncIterable<T>) => ReadableStream<Uint8Array>
}

/** Throws what the caller should hear before anything ran. */
export async function streamCode<T>(
  { controller, arrival, principal, reference, caller }: CodeAsked,
  call: CodeCall,
  { events, form }: Told<T>,
): Promise<ReadableStream<Uint8Array>> {
  const place = controller.events.streams.open(principal, 'output')
  const stop = new AbortController()
  try {
    const signal = AbortSignal.any([caller, stop.signal, place.signal])
    const asking = { principal, reference, timing: arrival.timing, caller: signal }
    const running = await runCode(controller, asking, call)
    const source = (until: AbortSignal): AsyncIterable<T> => {
      until.addEventListener('abort', () => stop.abort(until.reason), { once: true })
      return events(running)
    }
    return held(place, caller, source, form)
  } catch (thrown) {
    place.close()
    throw thrown
  }
}
