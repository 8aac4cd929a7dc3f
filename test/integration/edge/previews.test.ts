/** Visitors of what runs in a sandbox: found by host name, let in by a share or not, and carried untouched but for what is ours. */
import assert from 'node:assert/strict'
import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { EncryptJWT, jwtVerify, SignJWT } from 'jose'
import { WebSocket, WebSocketServer } from 'ws'
import { BROWSER_SECRET, BROWSER_TOKEN } from '../../../shared/browser-token.ts'
import { newApiKey } from '../../../shared/ids.ts'
import { previewLabel } from '../../../shared/preview-address.ts'
import { type PassClaims, PREVIEW_PASS, SHARE_SECRET, SHARE_TOKEN } from '../../../shared/preview-words.ts'
import { aSandboxIn, PEPPER, PUBLIC_KEY, type Stage, setStage } from './stage/edge-stage.ts'
import { answerJson, type Received } from './stage/fake-region.ts'

const PORT = 3_000
const NOW_SEC = Math.floor(Date.now() / 1_000)

type Answer = { status: number; headers: IncomingMessage['headers']; body: Buffer }
type Visit = { method?: string; headers?: Record<string, string>; body?: Buffer }

/** Node does not look up names under localhost, so the name travels in the Host header alone. */
async function visit({ edge }: Stage, host: string, path = '/', { method = 'GET', headers = {}, body }: Visit = {}) {
  const request = httpRequest(new URL(path, edge.url), { method, headers: { host, ...headers } })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) } satisfies Answer
}

const hostOf = (sandbox: string, { edge }: Stage, port = PORT): string =>
  `${previewLabel(port, sandbox)}.preview.localhost:${edge.url.port}`

const secret = new Uint8Array(hkdfSync('sha256', PEPPER, '', SHARE_SECRET.info, SHARE_SECRET.bytes))
const share = async (sandbox: string, changes: Record<string, unknown> = {}, key = secret): Promise<string> =>
  SHARE_TOKEN.prefix +
  (await new SignJWT({ sub: 'prv_1', sandbox, port: PORT, round: 4, exp: NOW_SEC + 600, ...changes })
    .setProtectedHeader({ alg: SHARE_TOKEN.algorithm, typ: SHARE_TOKEN.type })
    .setIssuer(SHARE_TOKEN.issuer)
    .setAudience(SHARE_TOKEN.audience)
    .sign(key))

/** The pass as the region reads it, checked as the region checks it. */
async function passOf(received: Received | undefined, region = 'usw1'): Promise<PassClaims> {
  const verified = await jwtVerify(String(received?.headers[PREVIEW_PASS.header]), PUBLIC_KEY, {
    issuer: PREVIEW_PASS.issuer,
    audience: PREVIEW_PASS.audience(region),
  })
  const claims = verified.payload as unknown as PassClaims
  assert.equal(claims.pathHash, createHash('sha256').update(String(received?.url)).digest('hex'))
  assert.equal(claims.method, received?.method)
  return claims
}

test('a preview is carried to the region of its sandbox, with path, query, method and body as they were', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('eu1')
  const body = Buffer.from('{"a":1}')
  const answer = await visit(stage, hostOf(sandbox, stage, 8_080), '/api/x%2Fy//z?a=1&a=%20b&&c', {
    method: 'PATCH',
    body,
  })
  assert.equal(answer.status, 200)
  const [received] = stage.eu1.received
  assert.equal(received?.url, `/internal/v1/previews/${sandbox}/8080/api/x%2Fy//z?a=1&a=%20b&&c`)
  assert.deepEqual(received?.body, body)
  const pass = await passOf(received, 'eu1')
  assert.deepEqual(
    [pass.sandbox, pass.port, pass.host, pass.scheme],
    [sandbox, 8_080, hostOf(sandbox, stage, 8_080), 'http'],
  )
  assert.equal(pass.share, undefined)
  assert.equal(pass.hasBadShare, false)
  assert.equal(stage.usw1.received.length, 0)
})

test('what a visitor asks of caches reaches the sandbox, and no cache in between answers for it', async (t) => {
  const stage = await setStage(t)
  const host = hostOf(aSandboxIn('usw1'), stage)
  stage.usw1.respond((received, response) => {
    response.writeHead(200, { 'x-origin': '1', 'cache-control': 'public, max-age=3600', etag: '"1"' })
    response.end(String(received.headers['cache-control']))
  })
  for (const said of ['max-age=0', 'max-age=5']) {
    const answer = await visit(stage, host, '/app.js', {
      headers: { 'cache-control': said, 'if-none-match': '"1"', range: 'bytes=0-9' },
    })
    assert.equal(answer.headers['cache-control'], 'public, max-age=3600')
    assert.equal(answer.body.toString(), said)
    assert.equal(stage.usw1.received.at(-1)?.headers['if-none-match'], '"1"')
    assert.equal(stage.usw1.received.at(-1)?.headers.range, 'bytes=0-9')
  }
  assert.equal(stage.usw1.received.length, 2)
})

test('no path of a preview is the edge’s own, and none of the API is reached by its host', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  for (const path of ['/healthz', '/docs', '/v1/openapi.json', '/v1/sandboxes', '/internal/v1/quota/x', '/r/eu/v1/x'])
    await visit(stage, hostOf(sandbox, stage), path, { headers: { authorization: `Bearer ${stage.apiKey}` } })
  await visit(stage, hostOf(sandbox, stage), '/cors', { method: 'OPTIONS', headers: { origin: 'https://a.example' } })
  assert.deepEqual(
    stage.usw1.received.map(({ url }) => url.slice(`/internal/v1/previews/${sandbox}/${PORT}`.length)),
    ['/healthz', '/docs', '/v1/openapi.json', '/v1/sandboxes', '/internal/v1/quota/x', '/r/eu/v1/x', '/cors'],
  )
  assert.equal(stage.eu1.received.length, 0)
})

test('a host that names no sandbox, no region of ours or no port is a 404 that asks nobody', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  const label = previewLabel(PORT, sandbox)
  const wrong = [
    `${label.slice(0, -1)}${label.endsWith('0') ? '1' : '0'}`,
    previewLabel(PORT, aSandboxIn('apx9')),
    previewLabel(0, sandbox),
    previewLabel(65_536, sandbox),
    label.slice(`${PORT}-`.length),
    `x.${label}`,
    'www',
  ].map((name) => `${name}.preview.localhost:${stage.edge.url.port}`)
  for (const host of [...wrong, `preview.localhost:${stage.edge.url.port}`]) {
    const answer = await visit(stage, host)
    assert.equal(answer.status, 404, host)
    assert.equal(JSON.parse(answer.body.toString()).error.code, 'preview_not_found')
  }
  assert.equal(stage.usw1.received.length + stage.eu1.received.length, 0)
})

test('people get a page and programs get JSON, and neither can be made to run what a visitor wrote', async (t) => {
  const stage = await setStage(t)
  const host = `nothing.preview.localhost:${stage.edge.url.port}`
  const page = await visit(stage, host, '/<script>', { headers: { accept: 'text/html,*/*' } })
  assert.match(String(page.headers['content-type']), /^text\/html/)
  assert.match(page.body.toString(), /There is no such preview\./)
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'/)
  assert.ok(!page.body.toString().includes('<script>'))
  assert.equal((await visit(stage, host, '/', { method: 'HEAD' })).status, 404)
})

test('a share is taken from either header, the query or the cookie, and goes no further than the pass', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  const host = hostOf(sandbox, stage)
  const token = await share(sandbox)
  const showings: [path: string, headers: Record<string, string>][] = [
    ['/a?x=1', { 'x-atoll-preview-token': token }],
    ['/a?x=1', { 'x-miosa-preview-token': token }],
    [`/a?preview_token=${token}&x=1`, {}],
    [`/a?x=1&preview%5Ftoken=${token}`, {}],
    ['/a?x=1', { cookie: `one=1; atoll_preview=${token}; two=2` }],
  ]
  for (const [path, headers] of showings) {
    const answer = await visit(stage, host, path, { headers })
    const received = stage.usw1.received.at(-1)
    const pass = await passOf(received)
    assert.deepEqual(pass.share, { preview: 'prv_1', round: 4 }, path)
    assert.ok(received?.url.endsWith('/a?x=1'), received?.url)
    assert.ok(!JSON.stringify(received?.headers).includes(token))
    assert.equal(answer.headers['set-cookie'] !== undefined, path.includes('token'), 'only a query leaves a cookie')
  }
  assert.equal(stage.usw1.received.at(-1)?.headers.cookie, 'one=1; two=2')
})

test('a share that can be ended by itself is named to the region, which knows whether it was', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  await visit(stage, hostOf(sandbox, stage), `/?preview_token=${await share(sandbox, { share: 'shr_1' })}`)
  const pass = await passOf(stage.usw1.received.at(-1))
  assert.deepEqual(pass.share, { preview: 'prv_1', round: 4, id: 'shr_1' })
})

test('the cookie that a query leaves opens the same host, and is out of the reach of scripts and other sites', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  const host = hostOf(sandbox, stage)
  const first = await visit(stage, host, `/?preview_token=${await share(sandbox)}`)
  const [cookie = ''] = first.headers['set-cookie'] ?? []
  assert.match(cookie, /^atoll_preview=pv_\S+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/)
  assert.equal(stage.usw1.received[0]?.url, `/internal/v1/previews/${sandbox}/${PORT}/`)
  await visit(stage, host, '/style.css', { headers: { cookie: cookie.split(';')[0] ?? '' } })
  assert.equal((await passOf(stage.usw1.received[1])).share?.preview, 'prv_1')
})

test('a share that is forged, over, or of another port or sandbox opens nothing, and leaves no cookie', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  const bad = [
    await share(sandbox, {}, new Uint8Array(32)),
    await share(sandbox, { exp: NOW_SEC - 60 }),
    await share(sandbox, { port: PORT + 1 }),
    await share(aSandboxIn('usw1')),
    'pv_nonsense',
    stage.apiKey.slice(0, 8),
    '',
  ]
  for (const token of bad) {
    const answer = await visit(stage, hostOf(sandbox, stage), `/?preview_token=${token}`)
    const pass = await passOf(stage.usw1.received.at(-1))
    assert.deepEqual([pass.share, pass.hasBadShare], [undefined, true])
    assert.equal(answer.headers['set-cookie'], undefined)
  }
})

test('a region that refuses the share is believed: its page goes out, and no cookie is left', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  stage.usw1.respond((_received, response) =>
    answerJson(response, 401, { ok: false }, { 'x-preview-refused': '1', 'x-region-load': '0.5' }),
  )
  const answer = await visit(stage, hostOf(sandbox, stage), `/?preview_token=${await share(sandbox)}`)
  assert.equal(answer.status, 401)
  for (const header of ['set-cookie', 'x-preview-refused', 'x-origin', 'x-region-load'])
    assert.equal(answer.headers[header], undefined, header)
})

test('no credential of the API reaches a sandbox, wherever it stands; those of the sandbox’s own server do', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  const host = hostOf(sandbox, stage)
  const key = newApiKey('live', crypto.getRandomValues(new Uint8Array(32)))
  const { algorithm: alg, encryption: enc, type: typ } = BROWSER_TOKEN
  const browser = await new EncryptJWT({})
    .setProtectedHeader({ alg, enc, typ })
    .encrypt(randomBytes(BROWSER_SECRET.bytes))
  const theirs = await new SignJWT({}).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(secret)
  await visit(stage, host, '/', {
    headers: { authorization: `Bearer ${key}`, 'x-api-key': key, cookie: `a=${key}; b=2`, 'x-edge-preview': 'forged' },
  })
  await visit(stage, host, '/', { headers: { authorization: `Bearer ${browser}` } })
  for (const received of stage.usw1.received) {
    assert.ok(!JSON.stringify(received.headers).includes(key))
    assert.equal(received.headers.authorization, undefined)
    await passOf(received)
  }
  assert.equal(stage.usw1.received[0]?.headers.cookie, 'b=2')
  for (const authorization of ['Basic YTpi', `Bearer ${theirs}`]) {
    await visit(stage, host, '/', { headers: { authorization } })
    assert.equal(stage.usw1.received.at(-1)?.headers.authorization, authorization)
  }
  const before = stage.usw1.received.length
  const refused = await visit(stage, host, `/?key=${key}`)
  assert.equal(refused.status, 401)
  assert.ok(!refused.body.toString().includes(key))
  assert.equal(stage.usw1.received.length, before)
})

test('a sandbox sets cookies for its own host only, never ours, and cannot speak as its region', async (t) => {
  const stage = await setStage(t)
  stage.usw1.respond((_received, response) => {
    response.writeHead(302, {
      'x-origin': '1',
      location: 'https://elsewhere.example/',
      'set-cookie': [
        'a=1; Domain=preview.localhost; Path=/',
        'atoll_preview=pv_stolen; Path=/',
        '__Host-atoll_preview=x',
        'b=2; HttpOnly',
      ],
    })
    response.end()
  })
  const answer = await visit(stage, hostOf(aSandboxIn('usw1'), stage))
  assert.deepEqual(answer.headers['set-cookie'], ['a=1; Path=/', 'b=2; HttpOnly'])
  assert.deepEqual([answer.status, answer.headers.location], [302, 'https://elsewhere.example/'])
})

test('100 MB pass a preview in both directions, and what is compressed stays as it was', async (t) => {
  const stage = await setStage(t)
  const sent = Buffer.alloc(100 * 1_000_000, 'atoll')
  stage.usw1.respond((received, response) => {
    const isZipped = received.url.endsWith('/zipped')
    response.writeHead(200, { 'x-origin': '1', ...(isZipped ? { 'content-encoding': 'gzip' } : {}) })
    response.end(isZipped ? gzipSync('zipped') : received.body)
  })
  const host = hostOf(aSandboxIn('usw1'), stage)
  const got = await visit(stage, host, '/upload', {
    method: 'POST',
    body: sent,
    headers: { 'content-length': `${sent.length}` },
  })
  assert.ok(got.body.equals(sent))
  const zipped = await visit(stage, host, '/zipped', { headers: { 'accept-encoding': 'gzip' } })
  assert.deepEqual([zipped.headers['content-encoding'], zipped.body], ['gzip', gzipSync('zipped')])
})

test('server-sent events of a sandbox arrive one by one, and a visitor who leaves is noticed', async (t) => {
  const stage = await setStage(t)
  const { promise: left, resolve: leave } = Promise.withResolvers<void>()
  const { promise: began, resolve: begin } = Promise.withResolvers<ServerResponse>()
  stage.usw1.respond((_received, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-origin': '1' })
    response.write('data: 0\n\n')
    response.on('close', leave)
    begin(response)
  })
  const request = httpRequest(stage.edge.url, { headers: { host: hostOf(aSandboxIn('usw1'), stage) } }).end()
  request.on('error', () => undefined)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const stream = await began
  for (let sent = 0; sent < 3; sent += 1) {
    const [chunk] = await once(response, 'data')
    assert.equal(chunk.toString(), `data: ${sent}\n\n`)
    stream.write(`data: ${sent + 1}\n\n`)
  }
  request.destroy()
  const beat = setInterval(() => stream.write(': beat\n\n'), 50)
  t.after(() => clearInterval(beat))
  assert.notEqual(await Promise.race([left, sleep(90_000, 'never', { ref: false })]), 'never')
})

test('a WebSocket of a sandbox carries text, bytes and close codes, and is passed on with its share and its subprotocol', async (t) => {
  const stage = await setStage(t)
  const sandbox = aSandboxIn('usw1')
  const upgrade = acceptWebSockets(t, stage)
  const socket = openWebSocket(t, stage, sandbox, `/ws?room=1&preview_token=${await share(sandbox)}`)
  await once(socket, 'open')
  assert.equal(socket.protocol, 'chat')
  const { url = '', headers } = await upgrade
  assert.ok(url.endsWith('/ws?room=1'))
  assert.ok(headers[PREVIEW_PASS.header])
  socket.send('hällo')
  const [text] = await once(socket, 'message')
  assert.equal(text.toString(), 'hällo')
  socket.send(Buffer.from([0, 255]))
  const [bytes, isBinary] = await once(socket, 'message')
  assert.ok(isBinary && Buffer.from([0, 255]).equals(bytes))
  socket.send('close')
  const [code, reason] = await once(socket, 'close')
  assert.deepEqual([code, reason.toString()], [4_321, 'as you wish'])
})

test('what only asks is asked once more of a region whose answer was lost; what may change something is not', async (t) => {
  const stage = await setStage(t)
  const host = hostOf(aSandboxIn('usw1'), stage)
  let asked = 0
  stage.usw1.respond((received, response, request) => {
    asked += 1
    if (asked % 2 === 1) return void request.socket.resetAndDestroy()
    answerJson(response, 200, { method: received.method })
  })
  assert.equal((await visit(stage, host)).status, 200)
  assert.equal(asked, 2)
  const lost = await visit(stage, host, '/', { method: 'POST', body: Buffer.from('x') })
  assert.deepEqual([lost.status, asked], [504, 3])
})

test('a preview whose region is down says so in words', async (t) => {
  const stage = await setStage(t)
  await stage.usw1.refuse()
  const answer = await visit(stage, hostOf(aSandboxIn('usw1'), stage))
  assert.equal(answer.status, 503)
  assert.equal(JSON.parse(answer.body.toString()).error.code, 'region_unavailable')
})

/** Echoes, and closes when told to. Resolves with the request that was upgraded. */
function acceptWebSockets(t: TestContext, { usw1 }: Stage): Promise<IncomingMessage> {
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => 'chat' })
  t.after(() => server.close())
  return new Promise((resolve) => {
    usw1.onUpgrade((request, socket) => {
      resolve(request)
      server.handleUpgrade(request, socket, Buffer.alloc(0), (peer) => {
        peer.on('message', (data, isBinary) => {
          if (data.toString() === 'close') peer.close(4_321, 'as you wish')
          else peer.send(data, { binary: isBinary })
        })
      })
    })
  })
}

function openWebSocket(t: TestContext, stage: Stage, sandbox: string, path: string): WebSocket {
  const url = new URL(path, stage.edge.url)
  url.protocol = 'ws:'
  const socket = new WebSocket(url, ['chat'], { headers: { host: hostOf(sandbox, stage) } })
  t.after(() => socket.terminate())
  return socket
}
