/** Answers whose last word has come. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { letEnd } from '../../../origin/controller/hosts/let-end.ts'

const BRIEF_MS = 20
const LONG_MS = 60_000

/** Half of it read, as it is when its last word has come. */
async function halfRead(): Promise<PassThrough> {
  const body = new PassThrough()
  body.write('word')
  for await (const _ of body.iterator({ destroyOnReturn: false })) break
  return body
}

// Its connection could not be used again.
test('an answer that ends is not broken off', async () => {
  const body = await halfRead()
  letEnd(body, LONG_MS)
  setImmediate(() => body.end())
  await once(body, 'end')
})

test('one that goes on is broken off, whatever it says', async () => {
  const body = await halfRead()
  letEnd(body, LONG_MS)
  body.write('more')
  await once(body, 'close')
  assert.equal(body.readableEnded, false)
})

test('one that does not end is broken off in time', async () => {
  const body = await halfRead()
  letEnd(body, BRIEF_MS)
  await once(body, 'close')
  assert.equal(body.readableEnded, false)
})

// Nobody listens any more, and an error that nobody hears ends the process.
test('one that breaks, or is over already, is left alone', async () => {
  const broken = await halfRead()
  letEnd(broken, LONG_MS)
  broken.destroy(new Error('The host hung up.'))
  await new Promise((resolve) => broken.once('close', resolve))
  letEnd(broken, LONG_MS)
})
