import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { type HttpBindings, serve } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { asWritten } from '../../../origin/controller/http/as-written.ts'

test('what a route wrote by its own hand is the whole answer, to HEAD too, behind which the server sends nothing of its own', async (t) => {
  const complained = t.mock.method(console, 'error', () => {})
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.all('/by-hand', (c) => {
    c.env.outgoing.writeHead(203, { 'content-length': 7 }).end()
    return RESPONSE_ALREADY_SENT
  })
  app.get('/plain', (c) => c.text('plain'))
  const server = serve({ fetch: asWritten(app.fetch), hostname: '127.0.0.1', port: 0 }) as Server
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<Socket>()
  try {
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    for (const [path, status] of [
      ['/by-hand', 203],
      ['/by-hand', 203],
      ['/plain', 200],
    ] as const) {
      const asked = request({ agent, port, host: '127.0.0.1', method: 'HEAD', path }).end()
      asked.once('socket', (socket) => sockets.add(socket))
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      assert.equal(answer.statusCode, status)
      await once(answer.resume(), 'end')
    }
    assert.equal(sockets.size, 1)
    assert.equal(complained.mock.callCount(), 0)
  } finally {
    agent.destroy()
    server.close()
  }
})
