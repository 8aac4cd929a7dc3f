/** One telling of what happens, in each form that a caller may ask for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { formOf, type ToldEvent, tellEvents } from '../../../origin/controller/http/told-events.ts'
import { AppError } from '../../../shared/errors.ts'

const EVENTS: ToldEvent[] = [
  { type: 'stdout', data: { line: 'a\nb' }, seq: 1, atMs: 0, cursor: '1.2.0' },
  { type: 'exit', data: { exit_code: 0 }, seq: 2, atMs: 1 },
]
const textOf = (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text()
const clock = () => 2

const ACCEPTED = [
  [undefined, undefined],
  ['*/*', undefined],
  ['text/html', undefined],
  ['application/json', 'json'],
  ['text/event-stream', 'sse'],
  ['Application/X-NDJSON; q=1', 'ndjson'],
  ['text/html, text/event-stream, application/json', 'sse'],
] as const

test('the first form of ours that is accepted is the form of the answer', () => {
  for (const [accept, form] of ACCEPTED) assert.equal(formOf(accept), form, accept)
})

test('every event is one line, in both forms', async () => {
  const source = async function* () {
    yield []
    yield EVENTS
  }
  assert.equal(
    await textOf(tellEvents('sse', source, clock)),
    'event: stdout\nid: 1.2.0\ndata: {"type":"stdout","line":"a\\nb"}\n\nevent: exit\ndata: {"type":"exit","exit_code":0}\n\n',
  )
  assert.equal(
    await textOf(tellEvents('ndjson', source, clock)),
    '{"seq":1,"ts":"1970-01-01T00:00:00.000Z","type":"stdout","line":"a\\nb","cursor":"1.2.0"}\n' +
      '{"seq":2,"ts":"1970-01-01T00:00:00.001Z","type":"exit","exit_code":0}\n',
  )
})

test('silence is filled, and a failure is the last event', async () => {
  const source = async function* () {
    yield []
    await sleep(100)
    throw new AppError('sandbox_paused', 'It was paused.')
  }
  const [sse, ndjson] = [
    await textOf(tellEvents('sse', source, clock, 10)),
    await textOf(tellEvents('ndjson', source, clock, 10)),
  ]
  assert.match(sse, /^: keepalive\n\n.*event: error\ndata: {"type":"error","code":"sandbox_paused",.*}\n\n$/s)
  assert.match(ndjson, /^{"type":"heartbeat","ts":"1970-.*{"ts":".*","type":"error","code":"sandbox_paused",.*}\n$/s)
})

test('a reader that leaves ends its source, also one that waits', async () => {
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const source = async function* (left: AbortSignal) {
    try {
      yield EVENTS
      await sleep(60_000, undefined, { signal: left })
    } finally {
      resolve()
    }
  }
  const reader = tellEvents('ndjson', source, clock).getReader()
  await reader.read()
  const waiting = reader.read()
  await reader.cancel()
  await ended
  assert.equal((await waiting).done, true)
})
