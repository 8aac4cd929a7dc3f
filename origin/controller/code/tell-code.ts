/**
 * The same call told as it happens:
 *
 *   started {context_id, execution_count} · stdout, stderr {data} · result {text, html, ...} · error {name, value, traceback} ·
 *   end {exit_code, reason, ...}, which is the last
 *
 * An `error` that has a `code` is no error of the code's: the stream broke, and it is the last.
 */
import { StringDecoder } from 'node:string_decoder'
import type { GuestCodeStarted } from '../../../shared/contracts/guest-code.ts'
import type { ToldEvent } from '../http/told-events.ts'
import type { CodeEvent } from './code-events.ts'
import { endFields } from './end-fields.ts'
import type { RunningCode } from './run-code.ts'

type Told = Pick<ToldEvent, 'type' | 'data'>

export async function* tellCode(running: RunningCode, clock: () => number): AsyncGenerator<ToldEvent[]> {
  const translate = createTranslator()
  let seq = 0
  for await (const batch of running) {
    const atMs = clock()
    yield batch.flatMap(translate).map((told) => ({ ...told, seq: ++seq, atMs }))
  }
}

/** A character may come in two pieces; what is left of one at the end is said before the end. */
function createTranslator(): (event: CodeEvent) => Told[] {
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') }
  let started: GuestCodeStarted | undefined
  const output = (type: 'stdout' | 'stderr', data: string): Told[] => (data === '' ? [] : [{ type, data: { data } }])
  return (event) => {
    switch (event.type) {
      case 'started':
        started = event.started
        return [{ type: 'started', data: started }]
      case 'stdout':
      case 'stderr':
        return output(event.type, decoders[event.type].write(Buffer.from(event.bytes)))
      case 'result':
        return [{ type: 'result', data: event.result }]
      case 'error':
        return [{ type: 'error', data: event.error }]
      case 'end':
        return [
          ...output('stdout', decoders.stdout.end()),
          ...output('stderr', decoders.stderr.end()),
          { type: 'end', data: endFields(started, event.end) },
        ]
    }
  }
}
