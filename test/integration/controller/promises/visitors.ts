/** Visitors who leave in the middle, and those who never do: whatever they do, they hold up neither the others nor a stop. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { LIMITS } from '../../../../shared/limits.ts'
import { PREVIEW_PASS } from '../../../../shared/preview-words.ts'
import { AUDIENCE, PORT, previewVisits } from '../support/preview-visits.ts'
import { previewPass, type TestRegion, until } from '../support/region.ts'

const UPGRADE = ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-version: 13', 'sec-websocket-key: eHh4']

export function visitorPromises(regionOf: () => TestRegion): void {
  const { create, open, listen, pathOf, visit } = previewVisits(regionOf)

  /** A visitor by hand: it never closes its side, whatever it is told. `said` is what it has heard. */
  async function come(t: TestContext, target: string, headers: string[]): Promise<{ socket: Socket; said(): string }> {
    const { hostname, port } = new URL(regionOf().url)
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    let said = ''
    socket.on('data', (bytes: Buffer) => {
      said += bytes.toString('latin1')
    })
    await once(socket, 'connect')
    const lines = [`GET ${target} HTTP/1.1`, 'host: a', ...headers, '', '']
    socket.write(lines.join('\r\n'))
    return { socket, said: () => said }
  }
  const passTo = async (target: string, sandbox: string): Promise<string> =>
    `${PREVIEW_PASS.header}: ${await previewPass({ sandbox, port: PORT }, target, AUDIENCE)}`

  /** Something in the machine that says this to whoever connects, and nothing more. */
  async function say(t: TestContext, words: string): Promise<void> {
    const sockets = new Set<Socket>()
    const server = createTcpServer((socket) => {
      sockets.add(socket.on('error', () => {}))
      socket.once('data', () => socket.write(words))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { host } = regionOf()
    host.servers.set(PORT, (server.address() as AddressInfo).port)
    t.after(() => {
      host.servers.delete(PORT)
      server.close()
      for (const socket of sockets) socket.destroy()
    })
  }
  const countVisits = (): number => {
    const lines = regionOf().logs.filter(({ event }) => event === 'request')
    return lines.filter(({ fields }) => JSON.stringify(fields).includes(PREVIEW_PASS.path)).length
  }

  // Whoever is not missed takes a place among the visitors for ever, and soon there is none left.
  test('a visitor who leaves while it is found out whether they may enter is done with', async (t) => {
    await listen(t, (_request, response) => void response.end('hello'))
    const { running, url } = regionOf()
    const sandbox = await create()
    await open(sandbox, 'public')
    const before = countVisits()
    const client = await running.controller.database.pool.connect()
    try {
      await client.query('begin; lock table preview in access exclusive mode')
      const leaving = new AbortController()
      const asked = visit(sandbox, '/', { signal: leaving.signal })
      const waiting = 'select from pg_stat_activity where wait_event_type = $1 and datname = current_database()'
      await until('the visitor to wait', async () => (await client.query(waiting, ['Lock'])).rowCount === 1)
      leaving.abort()
      await assert.rejects(asked)
      // What it hears of later happened later.
      await fetch(`${url}/healthz`)
    } finally {
      await client.query('rollback')
      client.release()
    }
    await until('the visit to be over', () => countVisits() > before)
  })

  test('a server that switches protocols where nobody asked for it gave no answer', async (t) => {
    await say(t, 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    const sandbox = await create()
    await open(sandbox, 'public')
    assert.equal((await visit(sandbox)).status, 502)
  })

  test('one whose WebSocket is refused is hung up on, even if they never hang up themselves', {
    timeout: 300_000,
  }, async (t) => {
    const { socket, said } = await come(t, pathOf('nothing'), UPGRADE)
    await until('the refusal', () => said().startsWith('HTTP/1.1 401 '))
    // Only a connection that is gone at the other end refuses what is written.
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const writing = setInterval(() => socket.write('x'), 100)
    t.after(() => clearInterval(writing))
    await closed
  })

  test('those who never hang up, and servers that never answer them, hold up no stop', {
    timeout: 300_000,
  }, async (t) => {
    const sandbox = await create()
    await open(sandbox, 'public')
    const target = pathOf(sandbox, '/ws')
    await say(t, 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    const joined = await come(t, target, [...UPGRADE, await passTo(target, sandbox)])
    await until('the WebSocket', () => joined.said().startsWith('HTTP/1.1 101 '))
    await say(t, '')
    const { tunnels } = regionOf().host
    const before = tunnels.size
    await come(t, target, [...UPGRADE, await passTo(target, sandbox)])
    await until('the question to arrive', () => tunnels.size > before)
    await come(t, pathOf('nothing'), UPGRADE)

    const stopping = performance.now()
    await regionOf().restart()
    assert.ok(performance.now() - stopping < LIMITS.drainMs + 20_000)
    assert.ok(joined.said().includes('\x03\xf4The sandbox went away'), 'the close code 1012 and why')
  })
}
