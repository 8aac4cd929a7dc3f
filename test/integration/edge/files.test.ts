/** Files on their way through the real edge and a region: bytes that flow at constant memory, are never half there, and links that need no key. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalEdge } from '../../../infra/edge/local-edge.ts'
import { childrenNamed, growthOf } from '../../harness/watch-memory.ts'
import { embedded, type TestServer } from '../controller/support/databases.ts'
import { type FileAgent, fileAgent } from '../controller/support/file-agent.ts'
import type { Agent } from '../controller/support/host-double.ts'
import { type Account, startRegion, type TestRegion, textAt, until } from '../controller/support/region.ts'
import type { SpawnedController } from '../controller/support/spawn-controller.ts'
import { EDGE_ENV, type SpawnedSite, startSpawnedSite } from './stage/spawned-site.ts'

const MIB = 1024 * 1024
/** What Node's own collector leaves lying, and the windows of every connection on the way; a small part of what passes. */
const GROWTH_BYTES_MAX = 96 * MIB
const PASSING_BYTES = 144 * MIB

describe('files through the edge', { timeout: 600_000 }, () => {
  let server: TestServer
  let region: TestRegion
  let controller: SpawnedController
  let edge: LocalEdge
  let agent: FileAgent
  let site: SpawnedSite
  let account: Account
  let sandbox: string

  before(async () => {
    server = await embedded.open()
    const database = await server.createDatabase()
    region = await startRegion(database, { env: EDGE_ENV })
    agent = await fileAgent()
    region.host.agent = agent.answer
    site = await startSpawnedSite({ database, region, hosts: [region.host] })
    ;({ controller, edge, account } = site)
    sandbox = await create()
  })
  after(async () => {
    await site?.stop()
    await region?.close()
    await agent?.remove()
    await server?.remove()
  })

  const create = async (): Promise<string> =>
    textAt((await region.ask('/v1/sandboxes', { method: 'POST', key: account.key, body: {} })).json, 'data', 'id')
  const ask = (path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Response> => {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${account.key}`)
    return fetch(new URL(`/v1/sandboxes/${sandbox}${path}`, edge.url), { ...init, headers })
  }
  const read = async (path: string): Promise<string> => (await ask(`/files${path}`)).text()

  test('a file of 144 MiB goes up and comes down at constant memory in every process on the way', async (t) => {
    const { agent: before } = region.host
    t.after(() => {
      region.host.agent = before
    })
    const streaming = streamingAgent()
    region.host.agent = streaming.answer
    const [workerd] = childrenNamed('workerd')
    assert.ok(workerd !== undefined && controller.pid !== undefined)
    const url = new URL(`/v1/sandboxes/${sandbox}/files/workspace/big`, edge.url)
    const headers = { authorization: `Bearer ${account.key}`, 'content-length': String(PASSING_BYTES) }
    const grown: Record<string, number> = {}
    const watched = async (name: string, work: () => Promise<unknown>): Promise<void> => {
      await growthOf(controller.pid ?? 0, async () => {
        grown[`workerd ${name}`] = await growthOf(workerd, work)
      }).then((bytes) => {
        grown[`controller ${name}`] = bytes
      })
    }
    await watched('up', async () => {
      const put = httpRequest(url, { method: 'PUT', headers })
      const answered = new Promise<number | undefined>((resolve, reject) => {
        put.once('response', (response) => resolve(response.resume().statusCode)).once('error', reject)
      })
      Readable.from(pieces()).pipe(put)
      assert.equal(await answered, 200)
      assert.equal(streaming.received(), PASSING_BYTES)
    })
    await watched('down', async () => {
      const answer = await ask('/files/workspace/big')
      assert.equal(answer.headers.get('content-length'), String(PASSING_BYTES))
      let bytes = 0
      for await (const chunk of answer.body ?? []) bytes += chunk.length
      assert.equal(bytes, PASSING_BYTES)
    })
    t.diagnostic(JSON.stringify(grown))
    for (const [where, bytes] of Object.entries(grown)) assert.ok(bytes < GROWTH_BYTES_MAX, `${where}: ${bytes} bytes`)
  })

  test('bytes, ranges and heads pass the edge as a region gives them', async () => {
    const sent = randomBytes(3 * MIB)
    assert.equal((await ask('/files/workspace/a.js', { method: 'PUT', body: sent })).status, 200)
    assert.ok(Buffer.from(await (await ask('/files/workspace/a.js')).arrayBuffer()).equals(sent))
    const part = await ask('/files/workspace/a.js', { headers: { range: 'bytes=5-9' } })
    assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 5-9/${3 * MIB}`])
    const past = await ask('/files/workspace/a.js', { headers: { range: `bytes=${3 * MIB}-` } })
    assert.deepEqual([past.status, past.headers.get('content-range')], [416, `bytes */${3 * MIB}`])
    await past.text()
    assert.ok(Buffer.from(await part.arrayBuffer()).equals(sent.subarray(5, 10)))
    const head = await ask('/files/workspace/a.js', { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(3 * MIB)])
    const empty = await ask('/files/workspace/empty', { method: 'PUT', body: '' })
    assert.deepEqual([empty.status, await read('/workspace/empty')], [200, ''])
    const unknownLength = new ReadableStream({
      start(stream) {
        stream.enqueue(Buffer.from('piece'))
        stream.close()
      },
    })
    const put = await ask('/files/workspace/piece', { method: 'PUT', body: unknownLength, duplex: 'half' })
    assert.deepEqual([put.status, await read('/workspace/piece')], [200, 'piece'])
  })

  test('an upload that breaks off at the edge leaves the file as it was, whichever way it breaks', async () => {
    await ask('/files/workspace/kept', { method: 'PUT', body: 'old' })
    const { hostname, port } = edge.url
    const chunk = Buffer.alloc(MIB, 'new')
    for (const [length, how] of [
      [`content-length: ${4 * MIB}`, 'end'],
      [`content-length: ${4 * MIB}`, 'reset'],
      ['transfer-encoding: chunked', 'end'],
      ['transfer-encoding: chunked', 'reset'],
    ] as const) {
      const before = agent.asked.length
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {}).resume()
      const line = `PUT /v1/sandboxes/${sandbox}/files/workspace/kept HTTP/1.1`
      socket.write(`${line}\r\nhost: edge\r\nauthorization: Bearer ${account.key}\r\n${length}\r\n\r\n`)
      socket.write(
        length.startsWith('t') ? Buffer.concat([Buffer.from('100000\r\n'), chunk, Buffer.from('\r\n')]) : chunk,
      )
      await until('the upload to begin', () => agent.asked.length > before)
      await sleep(100)
      if (how === 'end') socket.end()
      else socket.resetAndDestroy()
      await sleep(300)
      assert.equal(await read('/workspace/kept'), 'old', `${length}, ${how}`)
      socket.destroy()
    }
  })

  // What counts is whether it moves, not how long it takes.
  test('a slow upload that moves is not cut off by the time of its request, and one that stopped is', async () => {
    const upload = (stopsAfter: number) =>
      ask('/files/workspace/slow', {
        method: 'PUT',
        duplex: 'half',
        headers: { 'x-timeout-ms': '3000' },
        body: new ReadableStream({
          async start(stream) {
            for (let piece = 0; piece < 8; piece += 1) {
              if (piece === stopsAfter) return
              stream.enqueue(Buffer.from(String(piece)))
              await sleep(500)
            }
            stream.close()
          },
        }),
      })
    const moving = await upload(8)
    assert.equal(moving.status, 200, await moving.text())
    assert.equal(await read('/workspace/slow'), '01234567')
    const stopped = await upload(2)
    assert.equal(stopped.status, 504, await stopped.text())
    assert.equal(await read('/workspace/slow'), '01234567')
  })

  test('a link opens the one request that it was made for, through the edge and at the region, without a key', async () => {
    await ask('/files/workspace/s%20p/%C3%A4', { method: 'PUT', body: 'linked' })
    const sign = async (body: object, at: URL | string = edge.url): Promise<URL> => {
      const answer = await fetch(new URL(`/v1/sandboxes/${sandbox}/files/sign`, at), {
        method: 'POST',
        headers: { authorization: `Bearer ${account.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      assert.equal(answer.status, 200, await answer.clone().text())
      return new URL(textAt(await answer.json(), 'data', 'url'))
    }
    const direct = (url: URL): URL => new URL(url.pathname + url.search, controller.url)
    const status = async (url: URL, init?: RequestInit) => (await fetch(url, init)).status
    const refusalOf = async (url: URL): Promise<string> => {
      const refusal: unknown = await (await fetch(url)).json()
      assert.match(textAt(refusal, 'error', 'next'), /link/)
      return textAt(refusal, 'error', 'code')
    }
    const url = await sign({ path: '/workspace/s p/ä', expires_in: 600 })
    assert.equal(url.origin, edge.url.origin)
    assert.equal((await sign({ path: '/a' }, controller.url)).origin, controller.url)
    for (const one of [url, direct(url)]) {
      const answer = await fetch(one)
      assert.deepEqual([answer.status, await answer.text()], [200, 'linked'])
      assert.match(answer.headers.get('cache-control') ?? '', /no-store/)
      assert.equal(await status(one, { method: 'HEAD' }), 200)
      for (const method of ['PUT', 'DELETE', 'POST']) {
        const body = method === 'PUT' ? 'x' : null
        assert.ok([401, 405].includes(await status(one, { method, body })), method)
      }
      const other = new URL(String(one).replace('/s%20p/', '/other/'))
      assert.equal(await refusalOf(other), 'link_refused')
      const root = new URL(String(one).replace('?link=', '?user=root&link='))
      assert.equal(await refusalOf(root), 'link_refused')
      const altered = new URL(String(one).slice(0, -2) + (String(one).endsWith('A') ? 'BB' : 'AA'))
      assert.equal(await refusalOf(altered), 'link_refused')
      const cut = new URL(String(one).slice(0, String(one).indexOf('slnk_') + 'slnk_eyJ'.length))
      assert.equal(await refusalOf(cut), 'link_refused')
      const elsewhere = new URL(String(one).replace(sandbox, `${sandbox.slice(0, -3)}000`))
      assert.ok([401, 404].includes(await status(elsewhere)))
      const list = new URL(one.pathname.replace(/\/files\/.*/, '/files') + one.search, one)
      assert.equal(await refusalOf(list), 'link_refused')
    }
    const put = await sign({ path: '/workspace/by-link', method: 'PUT' })
    assert.equal(await status(put, { method: 'PUT', body: 'put' }), 200)
    assert.equal(await status(direct(put), { method: 'PUT', body: 'again' }), 200)
    assert.equal(await status(put), 401)
    assert.equal(await read('/workspace/by-link'), 'again')
    const brief = await sign({ path: '/workspace/s p/ä', expires_in: 2 })
    await until('the link to expire', async () => (await status(brief)) === 401)
    assert.deepEqual([await refusalOf(brief), await refusalOf(direct(brief))], ['link_refused', 'link_refused'])
    assert.equal(await status(url), 200)
  })

  test('links end with their sandbox and with their key, and no short-lived word makes any', async () => {
    const key = await region.newKey({ tenant: account.tenant })
    const other = await create()
    const sign = async (who: string) =>
      region.ask(`/v1/sandboxes/${other}/files/sign`, { method: 'POST', key: who, body: { path: '/workspace/x' } })
    const ofKey = textAt((await sign(key.key)).json, 'data', 'url')
    const ofOwner = textAt((await sign(account.key)).json, 'data', 'url')
    assert.equal((await fetch(ofKey)).status, 404)
    await region.ask(`/v1/api-keys/${key.keyId}`, { method: 'DELETE', key: account.key })
    await until('the key to be gone', async () => (await fetch(ofKey)).status === 401)
    assert.equal(textAt(await (await fetch(ofKey)).json(), 'error', 'code'), 'link_refused')
    const token = await region.ask('/v1/tokens', {
      method: 'POST',
      key: account.key,
      body: { scopes: ['sandboxes:exec'], sandbox_id: other },
    })
    assert.equal((await sign(textAt(token.json, 'data', 'token'))).status, 403)
    await region.ask(`/v1/sandboxes/${other}`, { method: 'DELETE', key: account.key })
    const gone = await fetch(ofOwner)
    assert.deepEqual([gone.status, textAt(await gone.json(), 'error', 'code')], [404, 'sandbox_not_found'])
  })

  test('an export has links to every file and to all of them, which need no header', async () => {
    await ask('/files/workspace/e/1.txt', { method: 'PUT', body: 'one' })
    const answer = await ask('/exports', {
      method: 'POST',
      body: JSON.stringify({ paths: ['/workspace/e/1.txt', '/workspace/e'], label: 'mine' }),
    })
    const whole: unknown = await answer.json()
    assert.equal(answer.status, 200, JSON.stringify(whole))
    const file = await fetch(textAt(whole, 'data', 'files', '0', 'download_url'))
    assert.equal(await file.text(), 'one')
    assert.equal(file.headers.get('content-disposition'), "attachment; filename*=UTF-8''1.txt")
    for (const url of [
      textAt(whole, 'data', 'files', '1', 'download_url'),
      textAt(whole, 'data', 'archive_download_url'),
    ]) {
      const archive = Buffer.from(await (await fetch(url)).arrayBuffer())
      assert.deepEqual([...archive.subarray(0, 2)], [0x1f, 0x8b])
    }
    const missing = await ask('/exports', { method: 'POST', body: JSON.stringify({ path: '/nothing' }) })
    assert.equal(missing.status, 404)
  })
})

/** Takes any number of bytes and keeps none; has as many as it takes. */
function streamingAgent(): { answer: Agent; received(): number } {
  let received = 0
  const file = { path: '/workspace/big', name: 'big', type: 'file', size: PASSING_BYTES, mode: '0644' }
  const written = { created: true, file: { ...file, modified_ms: 0, uid: 1000, gid: 1000 } }
  return {
    received: () => received,
    answer(request, response) {
      if (request.method === 'PUT') {
        request.on('data', (chunk: Buffer) => {
          received += chunk.length
        })
        request.once('end', () => response.end(JSON.stringify(written)))
        return
      }
      response.writeHead(200, { 'content-length': PASSING_BYTES })
      Readable.from(pieces()).pipe(response)
    },
  }
}

function* pieces(): Generator<Buffer> {
  const piece = Buffer.alloc(MIB, 'atoll')
  for (let sent = 0; sent < PASSING_BYTES; sent += MIB) yield piece
}
