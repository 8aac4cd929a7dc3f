/** A body may take any time as long as it comes; a sender who has gone, or only holds a place, is cut off. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { watchBodies } from '../../../origin/controller/http/watch-bodies.ts'

const IDLE_MS = 1_000

/** A request whose head has arrived, and what becomes of it. */
async function begin(t: TestContext, isRead: boolean) {
  const bodies = watchBodies(IDLE_MS)
  const server = createServer((incoming) => {
    bodies.watch(incoming)
    incoming.on('error', () => {})
    if (isRead) incoming.resume()
    server.emit('body', incoming)
  })
  t.after(() => {
    bodies.stop()
    server.close()
    server.closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const arrived = once(server, 'body') as Promise<[IncomingMessage]>
  const { port } = server.address() as AddressInfo
  const sender = httpRequest({ port, method: 'PUT', headers: { 'transfer-encoding': 'chunked' } }).on('error', () => {})
  sender.write('first')
  const [incoming] = await arrived
  return { sender, incoming }
}

test('a body that comes in pieces lives for as long as they come, and dies when they do not', async (t) => {
  const { sender, incoming } = await begin(t, true)
  for (let piece = 0; piece < 8; piece++) {
    sender.write('more')
    await sleep(IDLE_MS / 4)
  }
  assert.equal(incoming.destroyed, false)
  await new Promise((resolve) => incoming.once('close', resolve))
  assert.equal(incoming.complete, false)
})

test("a body that nobody takes in is not its sender's fault", async (t) => {
  const { sender, incoming } = await begin(t, false)
  sender.write(Buffer.alloc(1024 * 1024))
  await sleep(2 * IDLE_MS)
  assert.equal(incoming.destroyed, false)
  incoming.resume()
  sender.end()
  await once(incoming, 'end')
  assert.equal(incoming.complete, true)
})
