/** What runs in a sandbox, seen from a browser: real servers and shells in real machines, through both regions' whole stack and the edge. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import { type Api, apiAt, output, record } from '../../harness/api.ts'
import { type LocalStack, removeStack, startLocalStack, waitFor } from '../../harness/local-stack.ts'
import { codePromises } from './code-promises.ts'
import { terminalPromises } from './terminal-promises.ts'

/** The server that anybody would try first, and one that takes up WebSockets with nothing but Node. */
const FILES = 'python3 -m http.server 8000'
const SOCKETS = `node -e '
const { createHash } = require("node:crypto")
require("node:http").createServer((request, response) => {
  let bytes = 0
  request.on("data", (chunk) => { bytes += chunk.length })
  request.on("end", () => response.end(request.url + " " + bytes))
}).on("upgrade", (request, socket) => {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64")
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n")
  socket.write(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from("hello")]))
  socket.on("error", () => {})
}).listen(8001)'`

let stack: LocalStack
let edge: Api
let sandbox: string
before(async () => {
  stack = await startLocalStack({ env: { ATOLL_POOL_SIZE: '1' } })
  edge = apiAt(stack.dev().edge, stack.dev().api_key)
  sandbox = record(await edge('/v1/sandboxes', { body: {}, headers: { 'x-region': 'eu1' } })).id
  for (const server of [FILES, SOCKETS]) await run(`setsid ${server} > /dev/null 2>&1 < /dev/null &`)
})
after(async () => {
  await stack.stop()
  await removeStack(stack)
})

const run = async (command: string): Promise<string> =>
  output(await edge(`/v1/sandboxes/${sandbox}/exec`, { body: { command } })).stdout

type Seen = { status: number; headers: IncomingMessage['headers']; body: Buffer }

/** Node does not look up names under localhost, so the name travels in the Host header alone. */
async function see(url: string, { method = 'GET', headers = {}, body = Buffer.alloc(0) } = {}): Promise<Seen> {
  const { host, pathname, search } = new URL(url)
  const request = httpRequest(stack.dev().edge + pathname + search, { method, headers: { ...headers, host } }).end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

const expose = async (port: number): Promise<string> =>
  String((await edge(`/v1/sandboxes/${sandbox}/expose`, { body: { port } })).body.url)

test('a server in a sandbox is seen at the address that exposing its port gives, and nothing else is', async () => {
  const { host } = new URL(stack.dev().edge)
  const label = `8000-${sandbox.replaceAll('_', '-')}.preview.localhost:${host.split(':')[1]}`
  assert.equal((await see(`http://${label}/`)).status, 404)
  const url = await expose(8_000)
  assert.equal(url, `http://${label}`)
  await run('echo "<h1>from the machine</h1>" > index.html; head -c 20000000 /dev/urandom > big; sha256sum big > sum')
  await waitFor('the server in the sandbox', 60_000, async () => (await see(url)).status === 200)
  const page = await see(`${url}/`)
  assert.equal(page.body.toString(), '<h1>from the machine</h1>\n')
  assert.match(String(page.headers.server), /SimpleHTTP/)
  const big = await see(`${url}/big`)
  assert.equal(big.body.length, 20_000_000)
  const digest = Buffer.from(await crypto.subtle.digest('SHA-256', big.body)).toString('hex')
  assert.ok((await run('cat sum')).startsWith(digest))
  assert.equal((await see(`${url}/nothing`)).status, 404)
})

test('uploads and WebSockets reach the machine', async () => {
  const url = await expose(8_001)
  await waitFor('the server in the sandbox', 60_000, async () => (await see(url)).status === 200)
  const sent = await see(`${url}/upload?x=1`, { method: 'POST', body: Buffer.alloc(5_000_000) })
  assert.equal(sent.body.toString(), '/upload?x=1 5000000')
  const socket = new WebSocket(stack.dev().edge.replace('http', 'ws'), { headers: { host: new URL(url).host } })
  socket.on('error', () => {})
  const [greeting] = await once(socket, 'message')
  assert.equal(String(greeting), 'hello')
  const closed = once(socket, 'close')
  await edge(`/v1/sandboxes/${sandbox}/pause`, { method: 'POST' })
  assert.equal((await closed)[0], 1012, 'a pause tells it to come back')
})

test('a visitor wakes a paused sandbox; a private preview opens by its link only, and shuts when that is revoked', async () => {
  const path = `/v1/sandboxes/${sandbox}/previews`
  const made = await edge(path, { body: { port: 8_000, visibility: 'private' } })
  const { id, url } = made.body.data as { id: string; url: string }
  await edge(`/v1/sandboxes/${sandbox}/pause`, { method: 'POST' })
  const refused = await see(url, { headers: { accept: 'text/html' } })
  assert.equal(refused.status, 401)
  assert.match(refused.body.toString(), /This preview is private/)
  assert.equal(record(await edge(`/v1/sandboxes/${sandbox}`)).state, 'paused', 'who is not let in wakes nothing')
  const shared = await edge(`${path}/${id}/share`, { body: { ttl_seconds: 60 } })
  const opened = await see(String(shared.body.share_url))
  assert.equal(opened.body.toString(), '<h1>from the machine</h1>\n')
  assert.equal(record(await edge(`/v1/sandboxes/${sandbox}`)).state, 'running')
  const cookie = opened.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  assert.equal((await see(`${url}/index.html`, { headers: { cookie } })).status, 200)
  await edge(`${path}/${id}/share`, { method: 'DELETE' })
  assert.equal((await see(`${url}/index.html`, { headers: { cookie } })).status, 401)
})

test('a port on which nothing listens, and a sandbox that is gone, say so', async () => {
  const url = await expose(8_002)
  const shut = await see(url, { headers: { accept: 'text/html' } })
  assert.equal(shut.status, 502)
  assert.match(shut.body.toString(), /Nothing in the sandbox listens on port 8002/)
  await edge(`/v1/sandboxes/${sandbox}`, { method: 'DELETE' })
  assert.equal((await see(url)).status, 404)
})

terminalPromises(() => stack)
codePromises(() => stack)
