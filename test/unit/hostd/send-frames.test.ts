/** An answer of frames to a reader that is slower than the guest. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { sendFrames } from '../../../origin/hostd/http/send-frames.ts'
import { FRAME, type Frame, FrameDecoder } from '../../../shared/frames.ts'

const FRAMES = 500
const PAYLOAD = new Uint8Array(32 * 1024)

// Each wait that left a listener behind would be found again, and kept, at every later one of a long output.
test('a slow reader gets every frame, is waited for, and leaves no listener behind', async () => {
  const listeners: number[] = []
  let buffered = 0
  async function* flood(outgoing: ServerResponse): AsyncGenerator<Frame> {
    for (let i = 0; i < FRAMES; i++) {
      listeners.push(outgoing.listenerCount('close') + outgoing.listenerCount('drain'))
      buffered = Math.max(buffered, outgoing.writableLength)
      yield { type: FRAME.stdout, payload: PAYLOAD }
    }
  }
  const server = createServer(
    (_, outgoing) => void sendFrames(outgoing, flood(outgoing), (error) => assert.fail(String(error))),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const asked = get({ port: (server.address() as AddressInfo).port })
    const [answer] = await once(asked, 'response')
    const decoder = new FrameDecoder()
    let frames = 0
    for await (const chunk of answer) frames += decoder.push(chunk).length
    assert.equal(frames, FRAMES)
    assert.equal(Math.max(...listeners), listeners[0])
    assert.ok(buffered < 2 * PAYLOAD.length, `${buffered} bytes were held for the reader`)
  } finally {
    server.close()
  }
})
