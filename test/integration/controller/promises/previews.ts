/** A port of a sandbox is shut until its owner opens it, and shut at once when they shut it; what passes in between is the sandbox's own. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { jwtVerify } from 'jose'
import { WebSocket, WebSocketServer } from 'ws'
import { EVENT_ROUTES } from '../../../../shared/contracts/events.ts'
import { PREVIEW_ROUTES } from '../../../../shared/contracts/previews.ts'
import { SANDBOX_ROUTES } from '../../../../shared/contracts/sandboxes.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type PassClaims, PREVIEW_PASS, SHARE_TOKEN, shareClaimsSchema } from '../../../../shared/preview-words.ts'
import { AUDIENCE, PORT, previewVisits } from '../support/preview-visits.ts'
import { at, edgeToken, foreignEdgeKey, previewPass, type TestRegion, textAt } from '../support/region.ts'
import { readSse } from '../support/sse.ts'

export function previewPromises(regionOf: () => TestRegion): void {
  const { create, post, open, listen, pathOf, visit } = previewVisits(regionOf)
  const codeOf = async (answer: Response): Promise<string> => textAt(await answer.json(), 'error', 'code')
  const hello = (_request: IncomingMessage, response: ServerResponse): void => void response.end('hello')

  test('a port is shut until it is opened, and shut again as soon as its preview is gone', async (t) => {
    await listen(t, hello)
    const sandbox = await create()
    const shut = await visit(sandbox)
    assert.deepEqual([shut.status, await codeOf(shut)], [404, 'preview_not_found'])
    assert.equal(shut.headers.get('x-preview-refused'), '1')
    const id = await open(sandbox, 'public')
    assert.equal(await (await visit(sandbox)).text(), 'hello')
    assert.equal((await visit(sandbox, '/', { claims: { port: PORT + 1 } })).status, 404)
    assert.equal((await regionOf().ask(`/v1/sandboxes/${sandbox}/previews/${id}`, { method: 'DELETE' })).status, 204)
    assert.equal((await visit(sandbox)).status, 404)
  })

  test('a preview is told of as its contract has it, and is one per port, whoever asks at once', async () => {
    const sandbox = await create()
    const ids = await Promise.all(Array.from({ length: 8 }, () => open(sandbox, 'private')))
    assert.equal(new Set(ids).size, 1)
    const [id = ''] = ids
    const path = `/v1/sandboxes/${sandbox}/previews`
    const one = await regionOf().ask(`${path}/${id}`)
    const { data } = PREVIEW_ROUTES.get.answer.parse(one.json)
    assert.match(data.url, /^http:\/\/3000-sbx-usw1-[0-9a-z]{29}\.preview\.localhost:8787$/)
    assert.deepEqual(PREVIEW_ROUTES.list.answer.parse((await regionOf().ask(path)).json).data, [data])
    for (const wrong of [{ port: 0 }, { port: 65_536 }, {}, { port: 1, visibility: 'all' }])
      assert.equal((await post(path, wrong)).status, 422)
    for (const unknown of ['prv_1', `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`, sandbox])
      assert.equal((await regionOf().ask(`${path}/${unknown}`)).status, 404)
    const other = await create()
    assert.equal((await regionOf().ask(`/v1/sandboxes/${other}/previews/${id}`)).status, 404)
  })

  test('the record of a sandbox tells the address of the port that was opened first, and none before', async () => {
    const sandbox = await create()
    const read = async () =>
      SANDBOX_ROUTES.get.answer.parse((await regionOf().ask(`/v1/sandboxes/${sandbox}`)).json).data
    const before = await read()
    assert.deepEqual(
      [before.preview_url, before.url_info, before.preview_domain],
      [null, null, 'preview.localhost:8787'],
    )
    await open(sandbox, 'private', 5_000)
    await open(sandbox, 'public', 4_000)
    const { preview_url, preview_domain, url_info, url_class } = await read()
    assert.match(String(preview_url), /^http:\/\/5000-sbx-usw1-/)
    assert.deepEqual(
      [preview_domain, url_info?.url, url_class],
      ['preview.localhost:8787', preview_url, 'temporary_preview'],
    )
    const listed = await regionOf().ask('/v1/sandboxes?limit=1000')
    assert.ok(listed.text.includes(String(preview_url)))
  })

  test('exposing a port opens it to everybody, but never what was opened to a few', async () => {
    const sandbox = await create()
    const exposed = await post(`/v1/sandboxes/${sandbox}/expose`, {})
    PREVIEW_ROUTES.expose.answer.parse(exposed.json)
    assert.deepEqual([exposed.status, at(exposed.json, 'port')], [200, 3_000])
    await open(sandbox, 'private', 4_000)
    assert.equal((await post(`/v1/sandboxes/${sandbox}/expose`, { port: 4_000 })).status, 200)
    const list = await regionOf().ask(`/v1/sandboxes/${sandbox}/previews`)
    const { data } = PREVIEW_ROUTES.list.answer.parse(list.json)
    assert.deepEqual(
      data.map(({ port, visibility }) => [port, visibility]),
      [
        [3_000, 'public'],
        [4_000, 'private'],
      ],
    )
  })

  test('a sandbox has a bounded number of previews, and goes on changing those that it has', async () => {
    const sandbox = await create()
    await regionOf().sql(
      `insert into preview (id, sandbox, port, visibility) select 'prv_' || $1 || n, $1, n, 'public' from generate_series(1, $2::int) n`,
      [sandbox, LIMITS.previewsPerSandboxMax],
    )
    const more = await post(`/v1/sandboxes/${sandbox}/previews`, { port: 9_999 })
    assert.deepEqual([more.status, textAt(more.json, 'error', 'code')], [409, 'account_limit'])
    await open(sandbox, 'private', 1)
  })

  // A count that is read before somebody else has written lets both in.
  test('the bounds of previews and of shares are exact, however many ask for the last ones at once', async () => {
    const sandbox = await create()
    const room = 2
    const race = async (path: string, bodyOf: (index: number) => object, many: { max: number; one: string }) => {
      const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => post(path, bodyOf(index))))
      const refused = answers.filter(({ status }) => status === 409)
      assert.deepEqual([answers.filter(({ status }) => status === 201).length, refused.length], [room, 8 - room])
      for (const { json } of refused) assert.equal(textAt(json, 'error', 'code'), 'account_limit')
      const left = await regionOf().ask(path)
      assert.equal((at(left.json, 'data') as unknown[]).length, many.max, `every ${many.one} that was made is there`)
    }
    const preview = await open(sandbox, 'private')
    await regionOf().sql(
      `insert into preview_share (id, preview, round, expires_at)
       select 'shr_' || $1 || n, $1, 0, now() + interval '1 hour' from generate_series(1, $2::int) n`,
      [preview, LIMITS.sharesPerSandboxMax - room],
    )
    const shares = { max: LIMITS.sharesPerSandboxMax, one: 'share' }
    await race(`/v1/sandboxes/${sandbox}/shares`, () => ({ port: PORT }), shares)
    await regionOf().sql(
      `insert into preview (id, sandbox, port, visibility) select 'prv_' || $1 || n, $1, n, 'public' from generate_series(1, $2::int) n`,
      [sandbox, LIMITS.previewsPerSandboxMax - room - 1],
    )
    const previews = { max: LIMITS.previewsPerSandboxMax, one: 'preview' }
    await race(`/v1/sandboxes/${sandbox}/previews`, (index) => ({ port: 9_000 + index }), previews)
  })

  test('whoever follows a sandbox hears of its ports and of their shares, and its history tells of states only', async () => {
    const sandbox = await create()
    const path = `/v1/sandboxes/${sandbox}`
    const stream = await readSse(`${regionOf().url}${path}/events`, { authorization: `Bearer ${regionOf().key}` })
    const preview = await open(sandbox, 'private')
    assert.equal(await open(sandbox, 'public'), preview, 'the same port, so nothing new')
    await post(`${path}/previews/${preview}/share`, {})
    await regionOf().ask(`${path}/previews/${preview}/share`, { method: 'DELETE' })
    await regionOf().ask(path, { method: 'DELETE' })
    await stream.ended()
    const said = stream.frames.map(({ event, data }) => [event, data.type, data.preview_id, data.port])
    assert.deepEqual(said.slice(0, 3), [
      ['sandbox.preview.ready', 'sandbox.preview.ready', preview, PORT],
      ['sandbox.share.created', 'sandbox.share.created', preview, PORT],
      ['sandbox.share.revoked', 'sandbox.share.revoked', preview, PORT],
    ])
    assert.match(String(stream.frames[0]?.data.url), /^http:\/\/3000-sbx-usw1-/)
    const { data } = EVENT_ROUTES.history.answer.parse((await regionOf().ask(`${path}/history`)).json)
    assert.deepEqual(
      data.map(({ type }) => type),
      ['sandbox.created', 'sandbox.running', 'sandbox.destroyed'],
    )
  })

  test('a private preview opens with a share of the present round, and with nothing else', async (t) => {
    await listen(t, hello)
    const sandbox = await create()
    const preview = await open(sandbox, 'private')
    const other = await open(sandbox, 'private', PORT + 1)
    const shareOf = async (): Promise<PassClaims['share']> => {
      const answer = await post(`/v1/sandboxes/${sandbox}/previews/${preview}/share`, { ttl_seconds: 60 })
      const { data, ...siblings } = PREVIEW_ROUTES.share.answer.parse(answer.json)
      assert.deepEqual(siblings, { preview_token: data.preview_token, share_url: data.share_url })
      assert.ok(data.preview_token.startsWith(data.share_token_prefix))
      const claims = await claimsOf(data.preview_token)
      assert.deepEqual([claims.sandbox, claims.port, claims.sub], [sandbox, PORT, preview])
      return { preview: claims.sub, round: claims.round }
    }
    const first = await shareOf()
    const second = await shareOf()
    assert.ok(first && second)
    for (const share of [first, second]) assert.equal((await visit(sandbox, '/', { claims: { share } })).status, 200)
    for (const claims of [
      {},
      { hasBadShare: true },
      { share: { ...first, preview: other } },
      { share: { ...first, round: 9 } },
    ]) {
      const refused = await visit(sandbox, '/', { claims })
      assert.deepEqual([refused.status, await codeOf(refused)], [401, 'preview_token_required'])
    }
    await regionOf().ask(`/v1/sandboxes/${sandbox}/previews/${preview}/share`, { method: 'DELETE' })
    for (const share of [first, second]) assert.equal((await visit(sandbox, '/', { claims: { share } })).status, 401)
    const third = await shareOf()
    assert.equal((await visit(sandbox, '/', { claims: { ...(third && { share: third }) } })).status, 200)
    await regionOf().ask(`/v1/sandboxes/${sandbox}/previews/${preview}`, { method: 'DELETE' })
    await open(sandbox, 'private')
    assert.equal((await visit(sandbox, '/', { claims: { ...(third && { share: third }) } })).status, 401)
  })

  test('shares are ended one by one, each with its time, and all of them with the round of their preview', async (t) => {
    await listen(t, hello)
    const sandbox = await create()
    const path = `/v1/sandboxes/${sandbox}/shares`
    const make = async (body: object = {}) => {
      const answer = await post(path, body)
      assert.equal(answer.status, 201, answer.text)
      return PREVIEW_ROUTES.createShare.answer.parse(answer.json).data
    }
    const list = async () =>
      PREVIEW_ROUTES.listShares.answer.parse((await regionOf().ask(path)).json).data.map(({ share_id }) => share_id)
    const shareOf = async ({ share_url }: { share_url: string }): Promise<NonNullable<PassClaims['share']>> => {
      const claims = await claimsOf(new URL(share_url).searchParams.get(SHARE_TOKEN.parameter) ?? '')
      return { preview: claims.sub, round: claims.round, ...(claims.share === undefined ? {} : { id: claims.share }) }
    }
    const one = await make({ expires_in: 60 })
    const other = await make({ port: PORT })
    assert.deepEqual(await list(), [one.share_id, other.share_id])
    const [first, second] = [await shareOf(one), await shareOf(other)]
    const statusWith = async (share: PassClaims['share']) =>
      (await visit(sandbox, '/', { claims: share === undefined ? {} : { share } })).status
    for (const share of [first, second]) assert.equal(await statusWith(share), 200)
    assert.equal(await statusWith({ ...first, id: 'shr_of_another' }), 401)
    assert.equal((await regionOf().ask(`${path}/${one.share_id}`, { method: 'DELETE' })).status, 204)
    assert.deepEqual([await statusWith(first), await statusWith(second)], [401, 200])
    assert.equal((await regionOf().ask(`${path}/${one.share_id}`, { method: 'DELETE' })).status, 404)

    await regionOf().sql('update preview_share set expires_at = now() where id = $1', [other.share_id])
    assert.deepEqual(await list(), [])
    const third = await make()
    assert.equal((await regionOf().sql('select 1 from preview_share where preview = $1', [second.preview])).length, 1)
    await regionOf().ask(`/v1/sandboxes/${sandbox}/previews/${second.preview}/share`, { method: 'DELETE' })
    assert.equal(await statusWith(await shareOf(third)), 401)
    assert.deepEqual(await list(), [])
  })

  test('a preview token is for one port, and opens what was shut to those who have it only', async () => {
    const sandbox = await create()
    const answer = await post(`/v1/sandboxes/${sandbox}/preview-token`, { expires_in: 60, scope: 'read' })
    const { data } = PREVIEW_ROUTES.previewToken.answer.parse(answer.json)
    assert.equal(data.embed_url, `${data.url}/?preview_token=${data.token}`)
    assert.equal((await claimsOf(data.token)).port, LIMITS.previewPortDefault)
    const list = await regionOf().ask(`/v1/sandboxes/${sandbox}/previews`)
    assert.equal(PREVIEW_ROUTES.list.answer.parse(list.json).data[0]?.visibility, 'private')
  })

  const claimsOf = async (token: string) => {
    const secret = regionOf().running.controller.previews.shareSecret
    const { payload } = await jwtVerify(token.slice(SHARE_TOKEN.prefix.length), secret, { typ: SHARE_TOKEN.type })
    return shareClaimsSchema.parse(payload)
  }

  test('a request and its answer pass as they are, but for what belongs to the way between', async (t) => {
    const heard: { url: string | undefined; headers: IncomingMessage['headers']; body: string }[] = []
    await listen(t, async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      heard.push({ url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() })
      response.writeHead(503, 'Try Later', {
        'x-origin': 'me',
        'x-not-executed': '1',
        'x-preview-refused': '1',
        'x-mine': 'a',
        'set-cookie': ['a=1', 'b=2'],
      })
      response.end('not now')
    })
    const sandbox = await create()
    await open(sandbox, 'public')
    const answer = await visit(sandbox, '/a%2Fb//c?x=%20&y', {
      method: 'POST',
      body: 'hello',
      headers: {
        'x-their': 'own',
        connection: 'keep-alive',
        'x-edge-hops': '1',
        'cf-worker': 'x',
        'x-forwarded-for': 'spoofed',
      },
      claims: { host: '3000-x.preview.localhost', scheme: 'https', clientIp: '192.0.2.7' },
    })
    assert.deepEqual([answer.status, answer.statusText, await answer.text()], [503, 'Try Later', 'not now'])
    assert.deepEqual([answer.headers.get('x-origin'), answer.headers.get('x-mine')], ['1', 'a'])
    assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
    for (const inner of ['x-not-executed', 'x-preview-refused']) assert.equal(answer.headers.get(inner), null)
    const [{ url, headers, body }] = heard as [(typeof heard)[0]]
    assert.deepEqual([url, body, headers.host], ['/a%2Fb//c?x=%20&y', 'hello', '3000-x.preview.localhost'])
    assert.equal(headers['x-their'], 'own')
    assert.deepEqual(
      ['x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-for'].map((name) => headers[name]),
      ['https', '3000-x.preview.localhost', '192.0.2.7'],
    )
    for (const inner of [PREVIEW_PASS.header, 'x-edge-hops', 'cf-worker']) assert.equal(headers[inner], undefined)
  })

  test('16 MB pass in both directions, and an answer begins before the question has ended', async (t) => {
    await listen(t, (request, response) => void request.pipe(response))
    const sandbox = await create()
    await open(sandbox, 'public')
    const big = Buffer.alloc(16_000_000, 'atoll')
    const echoed = await visit(sandbox, '/', { method: 'POST', body: big })
    assert.ok(Buffer.from(await echoed.arrayBuffer()).equals(big))
    const said = new TransformStream<Uint8Array, Uint8Array>()
    const writer = said.writable.getWriter()
    void writer.write(Buffer.from('first'))
    const answer = await visit(sandbox, '/', { method: 'POST', body: said.readable, duplex: 'half' } as RequestInit)
    const reader = answer.body?.getReader()
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'first')
    await writer.close()
    assert.equal((await reader?.read())?.done, true)
  })

  test('a paused sandbox is woken by a visitor, also when only its host knows that it is paused', async (t) => {
    await listen(t, hello)
    const { host, ask } = regionOf()
    const sandbox = await create()
    await open(sandbox, 'public')
    assert.equal((await ask(`/v1/sandboxes/${sandbox}/pause`, { method: 'POST', body: {} })).status, 200)
    assert.equal(await (await visit(sandbox)).text(), 'hello')
    const machine = host.vms.get(sandbox)
    assert.equal(machine?.state, 'running')
    machine.state = 'paused'
    assert.equal(await (await visit(sandbox)).text(), 'hello')
    assert.equal(host.vms.get(sandbox)?.state, 'running')
  })

  test('a visitor hears clearly that nothing listens, that the server speaks no HTTP, or that the sandbox is gone', async (t) => {
    const { ask, host } = regionOf()
    const sandbox = await create()
    await open(sandbox, 'public')
    const closed = await visit(sandbox, '/', { headers: { accept: 'text/html' } })
    assert.deepEqual([closed.status, closed.headers.get('content-type')], [502, 'text/html; charset=utf-8'])
    assert.match(await closed.text(), /Nothing in the sandbox listens on port 3000/)

    const sockets = new Set<Socket>()
    const rude = createTcpServer((socket) => {
      sockets.add(socket.on('error', () => {}))
      socket.once('data', (bytes) =>
        socket.end(bytes.includes('/teapot') ? 'HTTP/1.1 999 No\r\n\r\n' : 'hello? \r\n\r\n'),
      )
    }).listen(0, '127.0.0.1')
    await once(rude, 'listening')
    host.servers.set(PORT, (rude.address() as AddressInfo).port)
    t.after(() => {
      host.servers.delete(PORT)
      rude.close()
      for (const socket of sockets) socket.destroy()
    })
    for (const path of ['/', '/teapot']) {
      const refused = await visit(sandbox, path)
      assert.deepEqual([refused.status, await codeOf(refused)], [502, 'port_no_answer'])
    }
    await ask(`/v1/sandboxes/${sandbox}`, { method: 'DELETE' })
    const gone = await visit(sandbox)
    assert.deepEqual([gone.status, await codeOf(gone)], [404, 'sandbox_not_found'])
  })

  test('an answer that breaks off in the sandbox breaks off for the visitor, and who leaves is noticed there', async (t) => {
    const { promise: left, resolve } = Promise.withResolvers<void>()
    let cut: () => unknown = () => assert.fail('It was not asked.')
    await listen(t, (request, response) => {
      response.write('half')
      if (request.url === '/cut') cut = () => request.socket.resetAndDestroy()
      else response.once('close', resolve)
    })
    const sandbox = await create()
    await open(sandbox, 'public')
    const half = await visit(sandbox, '/cut')
    cut()
    await assert.rejects(half.text())
    const leaving = new AbortController()
    const answer = await visit(sandbox, '/stay', { signal: leaving.signal })
    await answer.body?.getReader().read()
    leaving.abort()
    await left
  })

  async function connect(t: TestContext, sandbox: string, path: string): Promise<WebSocket> {
    const target = pathOf(sandbox, path)
    const headers = { [PREVIEW_PASS.header]: await previewPass({ sandbox, port: PORT }, target, AUDIENCE) }
    const socket = new WebSocket(regionOf().url.replace('http', 'ws') + target, { headers })
    t.after(() => socket.terminate())
    return socket
  }
  /** Echoes. */
  async function listenForSockets(t: TestContext): Promise<void> {
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(sockets, 'listening')
    const { host } = regionOf()
    host.servers.set(PORT, (sockets.address() as AddressInfo).port)
    sockets.on('connection', (peer) => {
      peer.on('message', (data, isBinary) =>
        data.toString() === 'close' ? peer.close(4_000, 'bye') : peer.send(data, { binary: isBinary }),
      )
    })
    t.after(() => {
      host.servers.delete(PORT)
      for (const client of sockets.clients) client.terminate()
      sockets.close()
    })
  }

  test('a WebSocket passes both ways with its close code, and is told to come back when its sandbox goes away', async (t) => {
    await listenForSockets(t)
    const sandbox = await create()
    await open(sandbox, 'public')
    const socket = await connect(t, sandbox, '/ws')
    await once(socket, 'open')
    for (const size of [1, 200, 70_000, 1_000_000]) {
      const sent = Buffer.alloc(size, 'atoll')
      socket.send(sent)
      const [data] = await once(socket, 'message')
      assert.ok(sent.equals(data))
    }
    socket.send('close')
    assert.deepEqual((await once(socket, 'close')).map(String), ['4000', 'bye'])
    const cut = await connect(t, sandbox, '/ws')
    await once(cut, 'open')
    cut.send('x')
    await once(cut, 'message')
    for (const tunnel of regionOf().host.tunnels) tunnel.resetAndDestroy()
    assert.equal((await once(cut, 'close'))[0], 1012)
  })

  test('a WebSocket is told to come back when its controller stops', async (t) => {
    await listenForSockets(t)
    const region = regionOf()
    const sandbox = await create()
    await open(sandbox, 'public')
    const socket = await connect(t, sandbox, '/ws')
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await region.restart()
    assert.equal((await closed)[0], 1012)
  })

  test('a WebSocket that may not open is refused in words', async (t) => {
    const sandbox = await create()
    const socket = await connect(t, sandbox, '/ws')
    socket.on('error', () => {})
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    assert.equal(response.statusCode, 404)
  })

  test('only the edge brings visitors: no word of another, of another place or time, or of a call, is taken for a pass', async (t) => {
    await listen(t, hello)
    const region = regionOf()
    const sandbox = await create()
    await open(sandbox, 'public')
    const target = pathOf(sandbox)
    const claims = { sandbox, port: PORT }
    const account = await region.newKey()
    const old = Math.floor(Date.now() / 1_000) - 120
    const words = [
      undefined,
      'nonsense',
      await previewPass(claims, target, AUDIENCE, foreignEdgeKey()),
      await previewPass(claims, target, PREVIEW_PASS.audience('eu1')),
      await previewPass(claims, `${target}other`, AUDIENCE),
      await previewPass({ ...claims, method: 'POST' }, target, AUDIENCE),
      await previewPass({ ...claims, iat: old, exp: old + 60 }, target, AUDIENCE),
      await edgeToken(account, 'GET', target),
    ]
    for (const word of words) {
      const headers = {
        ...(word === undefined ? {} : { [PREVIEW_PASS.header]: word }),
        authorization: `Bearer ${region.key}`,
      }
      const answer = await fetch(region.url + target, { headers })
      assert.deepEqual([answer.status, await codeOf(answer)], [401, 'invalid_token'], word)
    }
    const once = { [PREVIEW_PASS.header]: await previewPass({ ...claims, method: 'POST' }, target, AUDIENCE) }
    const statuses: number[] = []
    for (const _ of [1, 2]) statuses.push((await fetch(region.url + target, { method: 'POST', headers: once })).status)
    assert.deepEqual(statuses, [200, 401])
    const pass = await previewPass({ sandbox, port: PORT }, '/v1/sandboxes', AUDIENCE)
    for (const name of [PREVIEW_PASS.header, 'x-edge-token'])
      assert.equal((await fetch(`${region.url}/v1/sandboxes`, { headers: { [name]: pass } })).status, 401)
  })

  // Some clients offer HTTP/2 with every request.
  test('a call that offers another protocol is answered as if it had not', async () => {
    const { url, key } = regionOf()
    const headers = {
      authorization: `Bearer ${key}`,
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': '',
    }
    const request = httpRequest(`${url}/v1/sandboxes?limit=1`, { headers }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    assert.equal(response.statusCode, 200)
  })
}
