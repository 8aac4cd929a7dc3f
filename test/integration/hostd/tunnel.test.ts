/** Connections to the ports of a real machine: everything passes, at its own pace, and a cut is never taken for an end. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, Pool } from 'undici'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, spec } from './requests.ts'

const MIB = 1024 * 1024
/** One connection, one word, one deed. */
const SERVER = `
import socket, threading, time
def serve(peer):
  word = peer.recv(4)
  if word == b'echo':
    while (data := peer.recv(65536)): peer.sendall(data)
  if word == b'much': peer.sendall(b'x' * ${8 * MIB})
  if word == b'slow':
    for n in range(100): peer.sendall(b'tick'); time.sleep(0.1)
  if word == b'half':
    peer.sendall(b'half'); time.sleep(0.2)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1,0,0,0,0,0,0,0]))
  if word == b'deaf': time.sleep(60)
  peer.close()
server = socket.create_server(('127.0.0.1', 7000), backlog=300)
while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`

let host: Daemon
let client: Pool
before(async () => {
  host = await Daemon.start()
  client = new Pool('http://host', { socketPath: `${host.directory}/hostd.sock`, connections: 300, bodyTimeout: 0 })
  await create(host, spec('served'))
  await serve('served')
})
after(async () => {
  await client?.destroy()
  await host?.stop()
})

/** In the background, because a command that runs keeps a sandbox awake: until the server listens, however long that takes, and no longer. */
async function serve(id: string): Promise<void> {
  const listens = `until grep -q '0100007F:${(7_000).toString(16).toUpperCase()} .* 0A ' /proc/net/tcp; do sleep 0.1; done`
  await exec(host, id, `setsid python3 -c "${SERVER}" > /dev/null 2>&1 < /dev/null & ${listens}`)
  assert.equal(await statusOf(await open(id, 'echo')), 200)
}

async function statusOf({ answer, sending }: Opened): Promise<number> {
  sending.end()
  await answer.body.text()
  return answer.statusCode
}

type Opened = { answer: Dispatcher.ResponseData; sending: PassThrough }

async function open(id: string, word: string, port: number | string = 7_000): Promise<Opened> {
  const sending = new PassThrough()
  sending.on('error', () => undefined)
  sending.write(word)
  const answer = await client.request({ method: 'POST', path: `/v1/vms/${id}/ports/${port}`, body: sending })
  return { answer, sending }
}

const codeOf = async ({ answer, sending }: Opened): Promise<unknown> => {
  sending.end()
  const { error } = (await answer.body.json()) as { error: { code: string } }
  return error.code
}

test('a tunnel carries both directions at once, and the end of either', async () => {
  const { answer, sending } = await open('served', 'echo')
  const reader = answer.body[Symbol.asyncIterator]()
  for (const said of ['one', 'two', 'three']) {
    sending.write(said)
    assert.equal(String((await reader.next()).value), said)
  }
  sending.end('last')
  assert.equal(String((await reader.next()).value), 'last')
  assert.equal((await reader.next()).done, true)
})

test('8 MiB come through whole, in both directions, and at the same time', async () => {
  const big = Buffer.alloc(8 * MIB, 'atoll')
  const { answer, sending } = await open('served', 'echo')
  sending.end(big)
  const [echoed, much] = await Promise.all([
    answer.body.arrayBuffer(),
    open('served', 'much').then((other) => other.answer.body.arrayBuffer()),
  ])
  assert.ok(Buffer.from(echoed).equals(big))
  assert.equal(much.byteLength, 8 * MIB)
})

test('a server that breaks off, and a machine that is paused or ends, cut the answer; nobody takes it for whole', async () => {
  await assert.rejects((await open('served', 'half')).answer.body.text())
  await create(host, spec('paused'))
  await serve('paused')
  const tunnel = await open('paused', 'slow')
  await tunnel.answer.body[Symbol.asyncIterator]().next()
  assert.equal((await host.send('POST', '/v1/vms/paused/pause')).status, 200)
  await assert.rejects(tunnel.answer.body.text())
  assert.equal(await codeOf(await open('paused', 'echo')), 'sandbox_not_running')
  const woken = JSON.stringify({ expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 })
  await client.request({ method: 'POST', path: '/v1/vms/paused/resume', body: woken }).then(({ body }) => body.dump())
  const again = await open('paused', 'slow')
  assert.equal(again.answer.statusCode, 200)
  await again.answer.body[Symbol.asyncIterator]().next()
  await host.send('DELETE', '/v1/vms/paused')
  await assert.rejects(again.answer.body.text())
  assert.equal(await codeOf(await open('paused', 'echo')), 'sandbox_not_found')
})

test('a port on which nothing listens is said to be closed, and what is no port is refused', async () => {
  assert.equal(await codeOf(await open('served', 'echo', 7_001)), 'port_closed')
  for (const port of ['0', '65536', 'x'])
    assert.equal(await codeOf(await open('served', 'echo', port)), 'invalid_request')
})

test('a sandbox takes 256 connections at a time and says no to the next, and each that ends makes room', async () => {
  const tunnels: Opened[] = []
  try {
    // A few at a time, because each is given up when it takes long, and an emulated machine takes a while for all of them.
    while (tunnels.length < 256)
      tunnels.push(...(await Promise.all(Array.from({ length: 16 }, () => open('served', 'echo')))))
    assert.deepEqual(new Set(tunnels.map(({ answer }) => answer.statusCode)), new Set([200]))
    assert.equal(await codeOf(await open('served', 'echo')), 'port_busy')
  } finally {
    await Promise.all(tunnels.map(statusOf))
  }
  await host.until('there is room again', 60_000, async () => (await statusOf(await open('served', 'echo'))) === 200)
})

test('a server that reads nothing holds up its own tunnel only, and a caller who leaves frees it', async () => {
  const { answer, sending } = await open('served', 'deaf')
  answer.body.on('error', () => undefined)
  for (let sent = 0; sent < 32; sent += 1) sending.write(Buffer.alloc(MIB))
  await sleep(500)
  assert.ok(sending.writableLength > 0, 'what is not read is not taken')
  const echo = await open('served', 'echo')
  echo.sending.end('still here')
  assert.equal(await echo.answer.body.text(), 'still here')
  const { frames } = await exec(host, 'served', 'true')
  assert.ok(frames.length > 0)
  answer.body.destroy()
})

test('traffic keeps an idle sandbox awake, and an open connection on which nothing passes does not', async () => {
  await create(host, spec('idle', { idle_timeout_sec: 4 }))
  await serve('idle')
  const stateOf = async () => (await host.inventory()).vms.find(({ id }) => id === 'idle')?.state
  const { answer } = await open('idle', 'slow')
  answer.body.on('error', () => undefined).resume()
  await sleep(6_000)
  assert.equal(await stateOf(), 'running')
  answer.body.destroy()
  const silent = await open('idle', 'echo')
  silent.answer.body.on('error', () => undefined).resume()
  await host.until('it is paused', 60_000, async () => (await stateOf()) === 'paused')
})
