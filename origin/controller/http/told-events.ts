/**
 * What happens while a request is carried out, told as it happens: in the form that the caller's `Accept` asks for.
 *
 *   application/json       the whole answer at its end; what callers get who do not ask
 *   text/event-stream      `{"type", ...}`, the cursor as the id
 *   application/x-ndjson   `{"seq", "ts", "type", ..., "cursor"}`; `{"type": "heartbeat"}` when nothing has happened for a while
 */
import { EVENT_ASIDES, errorEvent, serverEventText } from './event-stream.ts'
import { type Asides, pulledStream } from './pulled-stream.ts'

/** `seq` counts the events of one telling from 1, and goes on after a cursor. */
export type ToldEvent = {
  type: string
  data: Record<string, unknown>
  seq: number
  atMs: number
  cursor?: string
}

export type Form = 'json' | 'sse' | 'ndjson'
type StreamForm = Exclude<Form, 'json'>

const FORMS: Record<string, Form> = {
  'application/json': 'json',
  'text/event-stream': 'sse',
  'application/x-ndjson': 'ndjson',
}
const TYPES: Record<StreamForm, string> = {
  sse: 'text/event-stream',
  ndjson: 'application/x-ndjson',
}

/** The first form of ours that is accepted; undefined when none is named. */
export const formOf = (accept: string | undefined): Form | undefined =>
  (accept ?? '')
    .split(',')
    .map((range) => FORMS[range.split(';', 1)[0]?.trim().toLowerCase() ?? ''])
    .find((form) => form !== undefined)

export const typeOf = (form: StreamForm): Record<string, string> => ({ 'content-type': TYPES[form] })

/** Events come in batches, so that many short ones are not dearer than one long one. */
export function tellEvents(
  form: StreamForm,
  source: (left: AbortSignal) => AsyncIterable<ToldEvent[]>,
  clock: () => number,
  heartbeatMs?: number,
): ReadableStream<Uint8Array> {
  const asides = ASIDES[form](clock)
  return pulledStream((left) => texts(form, source(left)), asides, heartbeatMs)
}

async function* texts(form: StreamForm, batches: AsyncIterable<ToldEvent[]>): AsyncGenerator<string> {
  for await (const batch of batches) if (batch.length > 0) yield batch.map(TEXT[form]).join('')
}

const TEXT: Record<StreamForm, (event: ToldEvent) => string> = {
  sse: ({ type, data, cursor }) =>
    serverEventText({ event: type, data: { type, ...data }, ...(cursor === undefined ? {} : { id: cursor }) }),
  ndjson: ({ seq, atMs, type, data, cursor }) => line({ seq, ts: at(atMs), type, ...data, cursor }),
}

const ASIDES: Record<StreamForm, (clock: () => number) => Asides> = {
  sse: () => EVENT_ASIDES,
  ndjson: (clock) => ({
    heartbeat: () => line({ type: 'heartbeat', ts: at(clock()) }),
    failure: (thrown) => line({ ts: at(clock()), ...errorEvent(thrown).data }),
  }),
}

const line = (value: object): string => `${JSON.stringify(value)}\n`
const at = (ms: number): string => new Date(ms).toISOString()
