/** The places for streams are few: each is given back by whatever way its stream ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heldStream } from '../../../origin/controller/events/held-stream.ts'
import type { StreamItem } from '../../../origin/controller/http/event-stream.ts'

const ITEM: StreamItem = { event: 'a', data: {} }

function hold(caller: AbortSignal, source: (until: AbortSignal) => AsyncIterable<StreamItem>) {
  const ending = new AbortController()
  let isClosed = false
  const close = (): void => {
    isClosed = true
  }
  return { stream: heldStream({ signal: ending.signal, close }, caller, source), ending, isClosed: () => isClosed }
}

const stays = new AbortController().signal

async function* one(): AsyncGenerator<StreamItem> {
  yield ITEM
}

async function* forEver(until: AbortSignal): AsyncGenerator<StreamItem> {
  yield ITEM
  await new Promise((resolve) => until.addEventListener('abort', resolve, { once: true }))
  until.throwIfAborted()
}

test('when it has come to its own end', async () => {
  const { stream, isClosed } = hold(stays, one)
  assert.equal(isClosed(), false)
  assert.match(await new Response(stream).text(), /^event: a\n/)
  assert.ok(isClosed())
})

test('when its reader goes, before or after it has read anything', async () => {
  for (const reads of [0, 1]) {
    const { stream, isClosed } = hold(stays, forEver)
    const reader = stream.getReader()
    for (let n = 0; n < reads; n++) await reader.read()
    await reader.cancel()
    assert.ok(isClosed(), `${reads}`)
  }
})

test('when the caller was gone before the answer, and nobody ever reads', () => {
  const gone = AbortSignal.abort()
  assert.ok(hold(gone, forEver).isClosed())
})

test('when it must end, which its reader hears', async () => {
  const { stream, ending, isClosed } = hold(stays, forEver)
  const text = new Response(stream).text()
  await new Promise((resolve) => setImmediate(resolve))
  ending.abort(new Error('It is over.'))
  assert.match(await text, /event: error\n/)
  assert.ok(isClosed())
})
