/** The host's side of a proxy door, over a real HTTP/2 session with an agent of the test's own. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, createServer as createAgent, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepDoor } from '../../../../origin/hostd/egress/door.ts'
import { Channel } from '../../../../origin/hostd/guest/channel.ts'
import { openCall } from '../../../../origin/hostd/guest/open-call.ts'
import type { GuestSession } from '../../../../origin/hostd/guest/session.ts'
import { EGRESS_ACCEPT_PATH } from '../../../../shared/contracts/guest-egress.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { World } from './world.ts'

const LIMIT = { timeout: 120_000 }

/** Takes connections like the agent in a machine does, and hands each to a request that waits. */
class Agent {
  readonly waiting: ServerHttp2Stream[] = []
  readonly #waiters: (() => void)[] = []
  readonly server = createAgent()
  readonly #door = createServer({ allowHalfOpen: true }, (process) => void this.#handOver(process))

  constructor() {
    this.server.on('stream', (stream, headers) => {
      assert.equal(headers[':path'], EGRESS_ACCEPT_PATH)
      stream.on('error', () => undefined)
      this.waiting.push(stream)
      this.#waiters.shift()?.()
    })
  }

  async listen(): Promise<{ wire: number; door: number }> {
    const ports = [this.server, this.#door].map(async (server) => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    })
    const [wire = 0, door = 0] = await Promise.all(ports)
    return { wire, door }
  }

  async #handOver(process: Socket): Promise<void> {
    process.on('error', () => undefined)
    if (this.waiting.length === 0) await new Promise<void>((resolve) => this.#waiters.push(resolve))
    const stream = this.waiting.shift()
    assert.ok(stream)
    stream.respond({ ':status': 200 })
    stream.pipe(process)
    process.pipe(stream)
    stream.once('close', () => process.destroy())
    process.once('close', () => stream.destroy())
  }

  close(): void {
    this.server.close()
    this.#door.close()
  }
}

let world: World
let agent: Agent
let doorPort: number
let end: AbortController
let perSecMax: number
let ended: Promise<void>
const undo: (() => void)[] = []

beforeEach(async () => {
  world = await World.open()
  agent = new Agent()
  const { wire, door } = await agent.listen()
  doorPort = door
  const socket = connect(wire, '127.0.0.1')
  const http2 = connectHttp2('http://guest', { createConnection: () => socket })
  const channel = new Channel(http2, socket, { noteBytes: () => undefined, noteViolation: () => undefined })
  const session = { call: (call, signal) => openCall(channel, call, signal) } satisfies Pick<GuestSession, 'call'>
  end = new AbortController()
  perSecMax = LIMITS.egressConnectionsPerSecMax
  ended = keepDoor({
    session: async () => session as GuestSession,
    signal: end.signal,
    serve: (connection) => world.proxy.serve(connection, world.visitor),
    perSecMax: () => perSecMax,
  })
  undo.push(() => http2.destroy())
})
afterEach(async () => {
  end.abort()
  await ended
  for (const each of undo.splice(0)) each()
  agent.close()
  await world.close()
  assert.deepEqual(world.failures, [])
})

function through(head: string): Socket {
  const socket = connect(doorPort, '127.0.0.1').on('error', () => undefined)
  socket.write(head)
  return socket
}

test('requests and connections of processes come through the session, one after another', LIMIT, async () => {
  const port = await world.serve((_, outgoing) => outgoing.end('served'))
  world.allow('api.test', [port])
  for (let count = 0; count < 2 * LIMITS.egressAcceptsWaiting; count += 1) {
    const plain = through(`GET http://api.test:${port}/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
    assert.match(await text(plain), /^HTTP\/1.1 200 OK[\s\S]*served$/)
  }
  const tunnel = through(`CONNECT api.test:${port} HTTP/1.1\r\n\r\n`)
  await once(tunnel, 'data')
  tunnel.write(`GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
  assert.match(await text(tunnel), /served/)
})

const MIB = 1024 * 1024

test('8 MiB come whole, at the pace of a slow reader, also inside of TLS that is looked into', LIMIT, async () => {
  const big = Buffer.alloc(8 * MIB, 'atoll')
  const port = await world.serve((_, outgoing) => outgoing.end(big))
  world.allow('api.test', [port])
  const slow = through(`GET http://api.test:${port}/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
  await once(slow, 'readable')
  await sleep(300)
  assert.ok(world.bytes.down < 7 * MIB, 'what is not read is not taken')
  assert.ok((await text(slow)).endsWith(big.subarray(-1000).toString()))
  assert.equal(world.bytes.down, big.length)
  const secure = await world.serveTls(async (incoming, outgoing) => outgoing.end(await text(incoming)))
  world.doorPort = doorPort
  const secrets = [{ placeholder: 'atoll_secret_0123456789', value: 'value', hosts: ['api.test'] }]
  world.allow('api.test', [secure], { secrets })
  const answer = await world.getTls(`https://api.test:${secure}/`, {}, { method: 'POST', body: big.toString() })
  assert.equal(answer.body.length, big.length)
})

test('the end of the door breaks off what stands, and a process that leaves frees what it had', LIMIT, async () => {
  const sockets: Socket[] = []
  const port = await world.listen(createServer((socket) => sockets.push(socket.on('error', () => undefined))))
  world.allow('api.test', [port])
  const [one, two] = [0, 1].map(() => through(`CONNECT api.test:${port} HTTP/1.1\r\n\r\n`))
  assert.ok(one && two)
  await Promise.all([once(one, 'data'), once(two, 'data')])
  one.destroy()
  while (sockets.filter(({ closed }) => closed).length < 1) await sleep(10)
  end.abort()
  await ended
  two.resume()
  if (!two.closed) await once(two, 'close')
  while (sockets.some(({ closed }) => !closed)) await sleep(10)
})

test(
  'a sandbox has so many connections at a time, the next one waits, and each that ends makes room',
  LIMIT,
  async () => {
    const port = await world.listen(createServer((socket) => socket.on('error', () => undefined).resume()))
    world.allow('api.test', [port])
    const ask = `CONNECT api.test:${port} HTTP/1.1\r\n\r\n`
    const many = Array.from({ length: LIMITS.egressConnectionsMax }, () => through(ask))
    await Promise.all(many.map((socket) => once(socket, 'data')))
    const next = through(ask)
    const heard = once(next, 'data')
    const first = await Promise.race([heard.then(() => 'heard'), sleep(200).then(() => 'waits')])
    assert.equal(first, 'waits')
    many[0]?.destroy()
    await heard
    for (const socket of [...many, next]) socket.destroy()
  },
)

test('an agent that refuses or breaks off is asked again, and not without a pause', LIMIT, async () => {
  let asked = 0
  agent.server.removeAllListeners('stream')
  agent.server.on('stream', (stream) => {
    asked += 1
    stream.on('error', () => undefined)
    if (asked % 2 === 0) stream.close(2)
    else stream.respond({ ':status': 404 }, { endStream: true })
  })
  for (const stream of agent.waiting.splice(0)) stream.close(8)
  await sleep(3 * LIMITS.egressRetryMs)
  assert.ok(asked >= LIMITS.egressAcceptsWaiting && asked <= 4 * LIMITS.egressAcceptsWaiting, String(asked))
})

test('connections that are begun and left at once are taken no faster than so many a second', LIMIT, async () => {
  const { egressConnectionsPerSecMax: perSec, egressAcceptsWaiting: waiting } = LIMITS
  const { begun, most } = await flood(2 * perSec)
  assert.ok(begun <= most + 2 * waiting, `${begun} of ${most}`)
})

// Its policy goes while it runs, and with that what it may cost this daemon.
test('where less is taken from now on, less comes', LIMIT, async () => {
  perSecMax = LIMITS.egressRefusalsPerSecMax
  const { begun, most } = await flood(2 * perSecMax)
  assert.ok(begun <= most + 2 * LIMITS.egressAcceptsWaiting, `${begun} of ${most}`)
})

/** How many connections of a guest that only begins and leaves them were taken when there were enough, and how many could be. */
async function flood(enough: number): Promise<{ begun: number; most: number }> {
  let begun = 0
  agent.server.removeAllListeners('stream')
  agent.server.on('stream', (stream) => {
    begun += 1
    stream.on('error', () => undefined).respond({ ':status': 200 })
    stream.close(8)
  })
  const sinceMs = performance.now()
  for (const stream of agent.waiting.splice(0)) stream.close(8)
  while (begun < enough) await sleep(10)
  return { begun, most: perSecMax + ((performance.now() - sinceMs) / 1_000) * perSecMax }
}
