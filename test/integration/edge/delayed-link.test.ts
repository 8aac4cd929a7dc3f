/** Guarantees of the link by which distance is simulated: numbers that are measured through it are worth no more than it is. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Distance, startDelayedLink } from '../../harness/delayed-link.ts'
import { until } from '../../harness/until.ts'

async function stretch(t: TestContext, distance: Distance, onConnection: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, onConnection).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const to = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  const link = await startDelayedLink({ host: '127.0.0.1', port: 0 }, to, distance)
  t.after(() => link.close())
  const socket = connect({ host: '127.0.0.1', port: link.port, allowHalfOpen: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return { socket, link }
}

test('a word and its answer take the way twice', async (t) => {
  const { socket } = await stretch(t, { oneWayMs: 40, jitterMs: 5 }, (peer) => peer.pipe(peer))
  for (let n = 0; n < 5; n++) {
    const began = performance.now()
    socket.write('ping')
    const [answer] = await once(socket, 'data')
    const tookMs = performance.now() - began
    assert.equal(String(answer), 'ping')
    assert.ok(tookMs >= 69, `${tookMs}`)
  }
})

test('whatever the jitter, every byte arrives once and in order, and the end after the last of them', async (t) => {
  const { socket } = await stretch(t, { oneWayMs: 5, jitterMs: 5 }, (peer) => peer.pipe(peer))
  const sent = Array.from({ length: 500 }, (_, n) => `${n},`).join('')
  for (let n = 0; n < 500; n++) {
    socket.write(`${n},`)
    if (n % 50 === 0) await sleep(2)
  }
  socket.end()
  const got: Buffer[] = []
  for await (const chunk of socket) got.push(chunk)
  assert.ok(Buffer.concat(got).toString() === sent)
})

// Without it a slow reader would show as memory of the proxy, and a fast sender as a link without end.
test('a sender waits for a receiver that does not read', async (t) => {
  const { socket } = await stretch(t, { oneWayMs: 1, jitterMs: 0 }, (peer) => peer.pause())
  const chunk = Buffer.alloc(256 * 1024)
  let written = 0
  for (let n = 0; n < 256; n++) socket.write(chunk, () => (written += chunk.byteLength))
  await sleep(500)
  assert.ok(written < 32 * 1024 * 1024, `${written}`)
})

test('a link that is cut resets both ends, and takes new connections', async (t) => {
  const peers: Socket[] = []
  const { socket, link } = await stretch(t, { oneWayMs: 1, jitterMs: 0 }, (peer) => {
    peer.on('error', () => undefined)
    peers.push(peer.resume())
  })
  socket.on('error', () => undefined)
  await until('the other end', () => peers.length > 0)
  link.cut()
  await new Promise((resolve) => socket.once('close', resolve))
  const again = connect(link.port, '127.0.0.1')
  t.after(() => again.destroy())
  await once(again, 'connect')
})

test('a link that is cut also ends those of whom one side had said its end', async (t) => {
  const peers: Socket[] = []
  const { socket, link } = await stretch(t, { oneWayMs: 1, jitterMs: 0 }, (peer) => {
    peer.on('error', () => undefined)
    peers.push(peer.resume())
  })
  socket.on('error', () => undefined)
  socket.end()
  await until('the other end to hear of it', () => peers[0]?.readableEnded === true)
  link.cut()
  // Who has read an end learns only by writing that nobody is there any more.
  await until('both ends to be gone', () => {
    peers[0]?.write('x')
    return socket.destroyed && peers[0]?.destroyed === true
  })
})
