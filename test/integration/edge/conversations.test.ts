/** What flows between people and sandboxes through the real edge and a whole region: terminals, and what visitors send and fetch. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { TERMINAL_ROUTES } from '../../../shared/contracts/terminals.ts'
import { encodeFrame } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { previewLabel } from '../../../shared/preview-address.ts'
import { TERMINAL_CLOSE, TERMINAL_FRAME, TERMINAL_PROTOCOL } from '../../../shared/terminal-frames.ts'
import { connectTerminal } from '../../harness/terminal-client.ts'
import { until } from '../../harness/until.ts'
import { startTerminalAgent } from '../controller/support/terminal-agent.ts'
import { type OneRegion, startOneRegion } from './stage/one-region.ts'

const MIB = 1024 * 1024
const PASSING_BYTES = 64 * MIB
/** The windows and buffers of every connection on the way. */
const UNDER_WAY_BYTES_MAX = 24 * MIB
const PORT = 3_000

describe('between people and sandboxes', { timeout: 600_000 }, () => {
  let stage: OneRegion
  let sandbox: string
  const agent = startTerminalAgent()
  before(async () => {
    stage = await startOneRegion()
    stage.region.host.agent = agent.serve
    sandbox = await stage.create()
  })
  after(() => stage?.close())

  const keyed = (): Record<string, string> => ({ authorization: `Bearer ${stage.account.key}` })
  async function begin(): Promise<{ session_id: string; ws_url: string }> {
    const url = new URL(`/v1/sandboxes/${sandbox}/terminal`, stage.edge.url)
    const answer = await fetch(url, { method: 'POST', headers: keyed(), body: '{}' })
    assert.equal(answer.status, 201)
    return TERMINAL_ROUTES.create.answer.parse(await answer.json()).data
  }
  async function refusalAt(t: TestContext, address: string, headers: Record<string, string> = {}): Promise<number> {
    const socket = new WebSocket(address, [TERMINAL_PROTOCOL], { headers }).on('error', () => {})
    t.after(() => socket.terminate())
    const [request, response] = await once(socket, 'unexpected-response')
    request.destroy()
    return response.statusCode
  }

  test('the address of a terminal is the edge’s, and opens it there once, wherever it is tried again', async (t) => {
    const { ws_url } = await begin()
    assert.ok(ws_url.startsWith(String(stage.edge.url).replace('http', 'ws')), ws_url)
    const client = await connectTerminal(ws_url)
    t.after(() => client.socket.terminate())
    assert.equal(client.socket.protocol, TERMINAL_PROTOCOL)
    client.type('hello')
    await client.sees('hello')
    const { pathname, search } = new URL(ws_url)
    assert.equal(await refusalAt(t, ws_url), 401)
    assert.equal(await refusalAt(t, stage.controllerUrl.replace('http', 'ws') + pathname + search), 401)
    for (const viewer of agent.viewers) viewer.destroy()
    assert.equal(await client.closed, TERMINAL_CLOSE.restart)
  })

  test('a refusal and a close code are at the edge what they are at the region', async (t) => {
    const { session_id } = await begin()
    const address = (session: string) =>
      `${String(stage.edge.url).replace('http', 'ws')}v1/sandboxes/${sandbox}/terminal/${session}/ws`
    assert.equal(await refusalAt(t, address(session_id)), 401)
    assert.equal(await refusalAt(t, address('term_000000000000000000000000'), keyed()), 404)
    const cases: [message: string | Buffer, code: number][] = [
      ['text', TERMINAL_CLOSE.text],
      [Buffer.from([9]), TERMINAL_CLOSE.refused],
      [Buffer.alloc(LIMITS.frameBytesMax + 2), TERMINAL_CLOSE.tooLong],
    ]
    for (const [message, code] of cases) {
      const client = await connectTerminal(address(session_id), { headers: keyed() })
      client.socket.send(message)
      assert.equal(await client.closed, code)
    }
  })

  // A terminal that prints without end, and a laptop that has gone to sleep.
  test('a viewer who does not read is nobody’s memory: the terminal waits, and all of it comes later', async (t) => {
    const { ws_url } = await begin()
    agent.viewers.clear()
    const socket = new WebSocket(ws_url, [TERMINAL_PROTOCOL]).on('error', () => {})
    t.after(() => socket.terminate())
    let bytes = 0
    socket.on('message', (message: Buffer) => {
      if (message[0] === TERMINAL_FRAME.stdout) bytes += message.length - 1
    })
    await once(socket, 'open')
    await until('it to be there', () => agent.viewers.size === 1)
    socket.pause()
    const [viewer] = agent.viewers
    assert.ok(viewer)
    const frame = encodeFrame(TERMINAL_FRAME.stdout, Buffer.alloc(LIMITS.frameBytesMax))
    const frames = PASSING_BYTES / LIMITS.frameBytesMax
    let taken = 0
    const sending = Readable.from(
      (function* () {
        for (; taken < frames; taken += 1) yield frame
      })(),
      { highWaterMark: 1 },
    )
    sending.pipe(viewer, { end: false })
    await sleep(1_500)
    assert.ok(taken * LIMITS.frameBytesMax < UNDER_WAY_BYTES_MAX, `${taken} frames were taken that nobody reads`)
    socket.resume()
    await until('all of it', () => bytes === PASSING_BYTES)
  })

  test('64 MiB pass a preview in both directions at constant memory in every process on the way', async (t) => {
    let received = 0
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      request.on('data', (chunk: Buffer) => {
        received += chunk.length
      })
      request.once('end', () => {
        if (request.method === 'POST') return void response.end(String(received))
        response.writeHead(200, { 'content-length': PASSING_BYTES })
        Readable.from(pieces()).pipe(response)
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close().closeAllConnections())
    stage.region.host.servers.set(PORT, (server.address() as AddressInfo).port)
    await stage.region.ask(`/v1/sandboxes/${sandbox}/expose`, {
      method: 'POST',
      key: stage.account.key,
      body: { port: PORT },
    })
    const host = `${previewLabel(PORT, sandbox)}.preview.localhost:${stage.edge.url.port}`
    const visit = async (method: string, body: Readable | null): Promise<IncomingMessage> => {
      const length = body === null ? {} : { 'content-length': String(PASSING_BYTES) }
      const request = httpRequest(stage.edge.url, { method, headers: { host, ...length } })
      const answered = once(request, 'response')
      if (body === null) request.end()
      else body.pipe(request)
      const [response] = (await answered) as [IncomingMessage]
      assert.equal(response.statusCode, 200)
      return response
    }
    const up = await stage.grown(async () => {
      const chunks = await (await visit('POST', Readable.from(pieces()))).toArray()
      assert.equal(Buffer.concat(chunks).toString(), String(PASSING_BYTES))
    })
    const down = await stage.grown(async () => {
      let bytes = 0
      for await (const chunk of await visit('GET', null)) bytes += chunk.length
      assert.equal(bytes, PASSING_BYTES)
    })
    t.diagnostic(JSON.stringify({ up, down }))
    for (const growth of [...Object.values(up), ...Object.values(down)])
      assert.ok(growth < UNDER_WAY_BYTES_MAX, `${growth} bytes`)
  })
})

function* pieces(): Generator<Buffer> {
  const piece = Buffer.alloc(MIB, 'atoll')
  for (let sent = 0; sent < PASSING_BYTES; sent += MIB) yield piece
}
