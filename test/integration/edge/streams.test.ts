/** Bytes that flow: nothing is held back, nothing is cut short in silence, and who leaves is noticed upstream. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { leastMs } from '../../harness/least-of.ts'
import { until } from '../../harness/until.ts'
import { aSandboxIn, post, type Stage, setStage } from './stage/edge-stage.ts'
import { answerEcho, hang } from './stage/fake-region.ts'

const MIB = 1024 * 1024
const pathOf = (rest: string): string => `/v1/sandboxes/${aSandboxIn('usw1')}${rest}`

for (const [name, type, chunk] of [
  ['SSE', 'text/event-stream', 'data: {"n":1}\n\n'],
  ['NDJSON', 'application/x-ndjson', '{"n":1}\n'],
] as const) {
  test(`${name} arrives chunk by chunk, within 50 ms of being sent`, async (t) => {
    const { ask, usw1 } = await setStage(t)
    let stream: ServerResponse | null = null
    usw1.respond((_received, response) => {
      response.writeHead(200, { 'content-type': type, 'x-origin': '1' })
      response.write(chunk)
      stream = response
    })
    const answer = await ask(pathOf('/exec/stream'), post({ command: 'true' }, { accept: type }))
    assert.equal(answer.headers.get('content-type'), type)
    const reader = answer.body?.getReader()
    assert.ok(reader && stream)
    assert.equal(new TextDecoder().decode((await reader.read()).value), chunk)
    const sendOne = async (): Promise<number> => {
      const sentMs = performance.now()
      ;(stream as ServerResponse).write(chunk)
      assert.equal(new TextDecoder().decode((await reader.read()).value), chunk)
      return performance.now() - sentMs
    }
    const lagMs = await leastMs(50, sendOne, 9)
    ;(stream as ServerResponse).end()
    assert.equal((await reader.read()).done, true)
    assert.ok(lagMs < 50, `${lagMs} ms`)
  })
}

test('a stream that the region cuts ends as a failure for the client, not as if it were whole', async (t) => {
  const { ask, usw1 } = await setStage(t)
  let cut: () => unknown = () => assert.fail('It was not asked.')
  usw1.respond((_received, response, request) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-origin': '1' })
    response.write('data: 1\n\n')
    cut = () => request.socket.resetAndDestroy()
  })
  const answer = await ask(pathOf('/events'))
  cut()
  await assert.rejects(answer.text())
})

test('a client that leaves during a stream is noticed by the region within 500 ms', async (t) => {
  const { ask, usw1 } = await setStage(t)
  const leave = async (): Promise<number> => {
    const { promise: left, resolve } = Promise.withResolvers<number>()
    usw1.respond((_received, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-origin': '1' })
      const beat = setInterval(() => response.write(': keepalive\n\n'), 50)
      response.on('close', () => {
        clearInterval(beat)
        resolve(performance.now())
      })
    })
    const leaving = new AbortController()
    const answer = await ask(pathOf('/events'), { signal: leaving.signal })
    await answer.body?.getReader().read()
    const leftMs = performance.now()
    leaving.abort()
    return (await left) - leftMs
  }
  const tookMs = await leastMs(500, leave)
  assert.ok(tookMs < 500, `${tookMs} ms`)
})

// A client that closes in good order is not noticed by workerd while the region is silent; that is why commands have deadlines.
test('a client whose connection breaks before the answer is noticed upstream, and is not taken for a failing region', async (t) => {
  const { edge, ask, apiKey, usw1 } = await setStage(t)
  let closed = 0
  usw1.respond((received, response, request) => {
    response.on('close', () => {
      closed += 1
    })
    return hang(received, response, request)
  })
  for (let left = 0; left < 6; left += 1) {
    const headers = { authorization: `Bearer ${apiKey}` }
    const request = httpRequest(new URL(pathOf('/exec'), edge.url), { method: 'POST', headers })
    request.on('error', () => undefined)
    request.end('{"command":"sleep 9"}')
    await until('it to arrive', () => usw1.received.length === left + 1)
    request.socket?.resetAndDestroy()
  }
  await until('all six to be noticed', () => closed === 6)
  usw1.respond(answerEcho('usw1'))
  assert.equal((await ask(pathOf(''))).status, 200)
  assert.equal(usw1.probes(), 0)
})

test('100 MB pass in both directions, byte for byte', async (t) => {
  const { ask, usw1 } = await setStage(t)
  const sent = Buffer.alloc(100 * 1_000_000, 'atoll')
  usw1.respond((received, response) => {
    response.writeHead(200, { 'x-origin': '1', 'content-length': received.body.length })
    response.end(received.body)
  })
  const answer = await ask(pathOf('/files'), { method: 'PUT', body: sent })
  const got = Buffer.from(await answer.arrayBuffer())
  assert.equal(got.length, sent.length)
  assert.ok(got.equals(sent))
  assert.equal(usw1.received[0]?.headers['content-length'], String(sent.length))
})

test('an upload whose sender breaks off never reaches the region as if it were whole', async (t) => {
  const stage = await setStage(t)
  for (const isDeclared of [true, false]) await breakOff(stage, isDeclared)
  await sleep(500)
  assert.equal(stage.usw1.received.length, 0)
})

test('a WebSocket carries text, bytes and close codes, both ways', async (t) => {
  const { edge, usw1, apiKey } = await setStage(t)
  const server = new WebSocketServer({ noServer: true })
  t.after(() => server.close())
  let upgradeHeaders: Record<string, unknown> = {}
  usw1.onUpgrade((request, socket) => {
    upgradeHeaders = request.headers
    server.handleUpgrade(request, socket, Buffer.alloc(0), (peer) => {
      peer.on('message', (data, isBinary) => {
        if (data.toString() === 'close') peer.close(4_321, 'as you wish')
        else peer.send(data, { binary: isBinary })
      })
    })
  })
  const url = new URL(pathOf('/terminal/ws?cols=80'), edge.url)
  url.protocol = 'ws:'
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${apiKey}`, 'x-edge-token': 'forged' } })
  t.after(() => socket.terminate())
  await once(socket, 'open')
  assert.notEqual(upgradeHeaders['x-edge-token'], 'forged')
  assert.equal(upgradeHeaders.authorization, undefined)
  socket.send('hällo')
  const [text, isBinaryText] = await once(socket, 'message')
  assert.deepEqual([text.toString(), isBinaryText], ['hällo', false])
  const bytes = Buffer.from([0, 255, 128, 1])
  socket.send(bytes)
  const [echoed, isBinary] = await once(socket, 'message')
  assert.ok(bytes.equals(echoed) && isBinary)
  socket.send('close')
  const [code, reason] = await once(socket, 'close')
  assert.deepEqual([code, reason.toString()], [4_321, 'as you wish'])
})

test('no stream has a fixed life: one that began goes on past every deadline of its request', async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond(async (_received, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-origin': '1' })
    for (let tick = 0; tick < 8; tick += 1) {
      response.write(`data: ${tick}\n\n`)
      await sleep(400)
    }
    response.end()
  })
  const answer = await ask(pathOf('/events'), { headers: { 'x-timeout-ms': '2000' } })
  assert.equal((await answer.text()).match(/data: /g)?.length, 8)
})

test('a stream that broke off is gone on with where its reader was, wherever the place is said', async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond((received, response) => {
    const { searchParams } = new URL(received.url, 'http://region')
    const place = Number(received.headers['last-event-id'] ?? searchParams.get('cursor') ?? 0)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-origin': '1', 'x-process-id': 'p_1' })
    for (let id = place + 1; id <= place + 2; id += 1) response.write(`id: ${id}\ndata: {}\n\n`)
    if (place < 4) setTimeout(() => response.destroy(), 500)
    else response.end()
  })
  const path = pathOf('/processes/p_1/stream')
  const idsOf = async (answer: Response): Promise<string[]> => {
    assert.equal(answer.headers.get('x-process-id'), 'p_1')
    let text = ''
    const read = async (): Promise<void> => {
      for await (const chunk of answer.body ?? []) text += new TextDecoder().decode(chunk)
    }
    await read().catch(() => undefined)
    return [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => id ?? '')
  }
  assert.deepEqual(await idsOf(await ask(path)), ['1', '2'])
  assert.deepEqual(await idsOf(await ask(path, { headers: { 'last-event-id': '2' } })), ['3', '4'])
  assert.deepEqual(await idsOf(await ask(`${path}?cursor=4`)), ['5', '6'])
  assert.ok(usw1.received.every(({ method }) => method === 'GET'))
})

// The edge hands a WebSocket on whole, with its back-pressure, so it cannot speak in it; what it can do is to hide nothing.
test('a WebSocket whose region dies ends at once as a failure, never as if it had been closed', async (t) => {
  const { edge, usw1, apiKey } = await setStage(t)
  const server = new WebSocketServer({ noServer: true })
  t.after(() => server.close())
  const url = new URL(pathOf('/terminal/ws'), edge.url)
  url.protocol = 'ws:'
  for (const die of ['destroy', 'resetAndDestroy'] as const) {
    usw1.onUpgrade((request, socket) => {
      server.handleUpgrade(request, socket, Buffer.alloc(0), (peer) => {
        peer.send('hello')
        peer.on('message', () => socket[die]())
      })
    })
    const dieOnce = async (): Promise<number> => {
      const client = new WebSocket(url, { headers: { authorization: `Bearer ${apiKey}` } })
      t.after(() => client.terminate())
      client.on('error', () => undefined)
      await once(client, 'message')
      const atMs = performance.now()
      client.send('die')
      const [code] = await once(client, 'close')
      assert.equal(code, 1_006)
      return performance.now() - atMs
    }
    const tookMs = await leastMs(500, dieOnce)
    assert.ok(tookMs < 500, `${die}: ${tookMs} ms`)
  }
})

test('a WebSocket client that leaves is noticed by the region within 500 ms, with its code', async (t) => {
  const { edge, usw1, apiKey } = await setStage(t)
  const server = new WebSocketServer({ noServer: true })
  t.after(() => server.close())
  const url = new URL(pathOf('/terminal/ws'), edge.url)
  url.protocol = 'ws:'
  const leave = async (): Promise<number> => {
    const { promise: left, resolve } = Promise.withResolvers<number>()
    usw1.onUpgrade((request, socket) => {
      server.handleUpgrade(request, socket, Buffer.alloc(0), (peer) => peer.once('close', resolve))
    })
    const client = new WebSocket(url, { headers: { authorization: `Bearer ${apiKey}` } })
    await once(client, 'open')
    const atMs = performance.now()
    client.close(4_001)
    assert.equal(await left, 4_001)
    return performance.now() - atMs
  }
  const tookMs = await leastMs(500, leave)
  assert.ok(tookMs < 500, `${tookMs} ms`)
})

test('a WebSocket to a region that is down, or without a key, is refused in words', async (t) => {
  const { edge, usw1, apiKey } = await setStage(t)
  await usw1.refuse()
  const url = new URL(pathOf('/terminal/ws'), edge.url)
  url.protocol = 'ws:'
  for (const [headers, status] of [
    [{ authorization: `Bearer ${apiKey}` }, 503],
    [{}, 401],
  ] as const) {
    const socket = new WebSocket(url, { headers })
    socket.on('error', () => undefined)
    const [, response] = await once(socket, 'unexpected-response')
    assert.equal(response.statusCode, status)
    socket.terminate()
  }
})

/** Sends a part of an upload and then resets the connection. */
async function breakOff({ edge, apiKey }: Stage, isDeclared: boolean): Promise<void> {
  const request = httpRequest(new URL(pathOf('/files'), edge.url), {
    method: 'PUT',
    headers: { authorization: `Bearer ${apiKey}`, ...(isDeclared ? { 'content-length': 8 * MIB } : {}) },
  })
  request.on('error', () => undefined)
  request.write(Buffer.alloc(2 * MIB))
  await sleep(300)
  request.socket?.resetAndDestroy()
}
