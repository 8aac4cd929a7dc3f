/** Files by the calls of the contract: what is written is read again, byte for byte, under whatever name, and in the shapes that clients read. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { escaped, pathOfUrl } from '../../../../origin/controller/files/file-path.ts'
import { EXPORT_ROUTES } from '../../../../shared/contracts/file-exports.ts'
import { FS_ROUTES } from '../../../../shared/contracts/file-system.ts'
import { FILE_ROUTES } from '../../../../shared/contracts/files.ts'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { at, textAt, until } from '../support/region.ts'
import { readSse } from '../support/sse.ts'
import { codeOf, setFileStage } from './stage.ts'

const MIB = 1024 * 1024
const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('files', { timeout: 600_000 }, () => {
  const { region, agent, create, ask, post } = setFileStage()

  test('what is written in JSON is read as bytes, and told of as the contract has it', async () => {
    const sandbox = await create()
    const written = await post(sandbox, '/files', { path: '/workspace/a/b.txt', content: base64('hällo') })
    const { data } = FILE_ROUTES.write.answer.parse(await written.json())
    assert.deepEqual([data.path, data.size, data.is_dir], ['/workspace/a/b.txt', 6, false])
    const read = await ask(sandbox, '/files/workspace/a/b.txt')
    assert.deepEqual([read.status, await read.text()], [200, 'hällo'])
    const again = await ask(sandbox, '/files/read?path=/workspace/a/b.txt')
    assert.equal(await again.text(), 'hällo')

    const stat = FILE_ROUTES.stat.answer.parse(await (await post(sandbox, '/files/stat', { path: 'a/b.txt' })).json())
    assert.deepEqual(stat.data, data)
    const listed = await (await ask(sandbox, '/files?path=/workspace')).json()
    assert.deepEqual(await (await ask(sandbox, '/files/list?path=/workspace')).json(), listed)
    const { path, entries, truncated } = FILE_ROUTES.list.answer.parse(listed).data
    assert.deepEqual(
      [path, entries.map(({ name, is_dir }) => [name, is_dir]), truncated],
      ['/workspace', [['a', true]], false],
    )
    const tree = FILE_ROUTES.tree.answer.parse(await (await ask(sandbox, '/files/tree?path=/workspace&depth=3')).json())
    assert.deepEqual([tree.data.type, tree.data.name], ['dir', 'workspace'])
    assert.equal(textAt(tree, 'data', 'children', '0', 'children', '0', 'path'), '/workspace/a/b.txt')
    const found = await ask(sandbox, '/files/search?pattern=b.t')
    assert.equal(textAt(await found.json(), 'data', 'entries', '0', 'path'), '/workspace/a/b.txt')
  })

  test('several files are written at once, each by itself', async () => {
    const sandbox = await create()
    const files = [
      { path: '/workspace/1', content_base64: base64('one') },
      { path: 'two', content: 'zwei', encoding: 'utf8' },
      { path: '/workspace/../../x', content: '' },
    ]
    for (const call of ['write-many', 'batch']) {
      const answer = await post(sandbox, `/files/${call}`, { files })
      const { data } = FILE_ROUTES.writeMany.answer.parse(await answer.json())
      assert.deepEqual(data.written, [
        { path: '/workspace/1', size_bytes: 3 },
        { path: '/workspace/two', size_bytes: 4 },
      ])
      assert.deepEqual(
        data.failed.map(({ path, code }) => [path, code]),
        [['/workspace/../../x', 'invalid_path']],
      )
    }
  })

  // A field of another name is ignored, so a file without content would be emptied by a slip of the pen.
  test('of several files one without content, or with two, is refused before any is written', async () => {
    const sandbox = await create()
    await post(sandbox, '/files', { path: '/kept', content: base64('kept') })
    const written = { path: '/kept', content_base64: base64('new') }
    for (const wrong of [
      { path: '/kept' },
      { path: '/kept', contentBase64: base64('x') },
      { ...written, content: base64('x') },
    ]) {
      const refused = await post(sandbox, '/files/write-many', { files: [written, wrong] })
      assert.deepEqual([refused.status, await codeOf(refused)], [422, 'invalid_request'])
    }
    assert.equal(await (await ask(sandbox, '/files/kept')).text(), 'kept')
    // What its name says to be base64 is that, whatever `encoding` says of `content`.
    await post(sandbox, '/files/write-many', { files: [{ ...written, encoding: 'utf8' }] })
    assert.equal(await (await ask(sandbox, '/files/kept')).text(), 'new')
  })

  test('base64 of every dialect is taken up to the bound of a body, and what is none is refused', async () => {
    const sandbox = await create()
    const bytes = Buffer.from([251, 255, 190, 1])
    for (const content of ['+/++AQ==', '-_--AQ', '+/++AQ']) {
      assert.equal((await post(sandbox, '/files', { path: '/b', content })).status, 200)
      assert.deepEqual(Buffer.from(await (await ask(sandbox, '/files/b')).arrayBuffer()), bytes)
    }
    for (const content of ['a', '*', 'ab=c', 7, null])
      assert.equal((await post(sandbox, '/files', { path: '/b', content })).status, 422, String(content))
    const large = Buffer.alloc(3 * MIB - 1024, 'x').toString('base64')
    assert.equal((await post(sandbox, '/files', { path: '/large', content: large })).status, 200)
    const over = await post(sandbox, '/files', { path: '/large', content: Buffer.alloc(4 * MIB).toString('base64') })
    assert.equal(over.status, 413)
  })

  // Clients strip the slashes before a path, and their URL parser leaves a lone `%` as it is.
  test('a URL names a file by whatever bytes it has', async () => {
    const sandbox = await create()
    for (const [url, name] of [
      ['/workspace/a b', '/workspace/a b'],
      ['//workspace/slashes', '/workspace/slashes'],
      ['/workspace/100%', '/workspace/100%'],
      ['/workspace/%zz%4', '/workspace/%zz%4'],
      ['/workspace/gr%C3%BCn', '/workspace/grün'],
      ['/workspace/q%3Fa%23', '/workspace/q?a#'],
      ['/workspace/line%0Abreak', '/workspace/line\nbreak'],
    ] as const) {
      const put = await ask(sandbox, `/files${url}`, { method: 'PUT', body: name })
      assert.equal(put.status, 200, await put.clone().text())
      const read = await post(sandbox, '/files/stat', { path: name })
      assert.equal(read.status, 200, name)
      assert.equal(await (await ask(sandbox, `/files${url}`)).text(), name)
    }
    fc.assert(
      fc.property(fc.uint8Array({ min: 1, minLength: 1 }), (bytes) => {
        const path = pathOfUrl(`/v1/sandboxes/x/files/${escaped(bytes).replace(/^\/+/, '')}`)
        assert.deepEqual(
          path.toString('latin1').replace(/^\/+/, ''),
          Buffer.from(bytes).toString('latin1').replace(/^\/+/, ''),
        )
      }),
    )
  })

  test('the names of calls are files where nothing says that a call is meant', async () => {
    const sandbox = await create()
    for (const name of ['watch', 'tree', 'read', 'list', 'search']) {
      assert.equal((await ask(sandbox, `/files/${name}`)).status, 404)
      assert.equal((await ask(sandbox, `/files/${name}`, { method: 'PUT', body: name })).status, 200)
      assert.equal(await (await ask(sandbox, `/files/${name}`)).text(), name)
    }
  })

  test('a path whose slash a client has stripped is found below /workspace, unless it is there from the root', async () => {
    const sandbox = await create()
    await post(sandbox, '/files', { path: 'mine', content: base64('below') })
    assert.equal(await (await ask(sandbox, '/files/mine')).text(), 'below')
    await ask(sandbox, '/files/mine', { method: 'PUT', body: 'root' })
    assert.equal(await (await ask(sandbox, '/files/mine')).text(), 'root')
    assert.equal(await codeOf(await ask(sandbox, '/files/nothing')), 'file_not_found')
  })

  // The dots of a path are resolved by the client, so it may arrive anywhere: the scope is that of where it arrives.
  test('a path that climbs gets nothing that the key has no scope for', async () => {
    const sandbox = await create()
    const { key } = await region().newKey({ scopes: ['sandboxes:exec'] })
    for (const path of ['../../../api-keys', 'a/../../../../../v1/api-keys', '%2e%2e/%2e%2e/%2e%2e/api-keys']) {
      const { hostname, port } = new URL(region().url)
      const socket = connect(Number(port), hostname)
      socket.write(
        `GET /v1/sandboxes/${sandbox}/files/${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${key}\r\nconnection: close\r\n\r\n`,
      )
      let said = ''
      for await (const chunk of socket) said += chunk
      assert.match(said, /^HTTP\/1.1 403 .*insufficient_scope/s)
    }
    assert.equal(await codeOf(await post(sandbox, '/files/stat', { path: '../../etc/passwd' })), 'invalid_path')
    for (const path of ['', 'a'.repeat(5_000)])
      assert.equal((await post(sandbox, '/files/stat', { path })).status, 422, path.slice(0, 9))
    assert.equal(await codeOf(await post(sandbox, '/files/stat', { path: 'ä'.repeat(4_000) })), 'invalid_path')
    assert.equal(await codeOf(await post(sandbox, '/files/stat', { path: '\ud800' })), 'invalid_path')
    assert.equal(await codeOf(await ask(sandbox, '/files/a%00b')), 'invalid_path')
  })

  test('directories are made, things moved, copied, removed, and their permissions set', async () => {
    const sandbox = await create()
    const made = await post(sandbox, '/files/mkdir', { path: '/workspace/d/e' })
    assert.equal(textAt(await made.json(), 'data', 'type'), 'dir')
    await ask(sandbox, '/files/workspace/d/f', { method: 'PUT', body: 'f' })
    assert.equal((await post(sandbox, '/files/copy', { from: '/workspace/d', to: '/workspace/c' })).status, 200)
    assert.equal((await post(sandbox, '/files/move', { from: '/workspace/c/f', to: '/workspace/g' })).status, 200)
    const changed = await post(sandbox, '/files/chmod', { path: '/workspace/g', mode: '0700' })
    assert.equal(textAt(await changed.json(), 'data', 'mode'), '0700')
    assert.equal((await post(sandbox, '/files/chmod', { path: '/workspace/g', mode: '9' })).status, 422)
    const gone = await ask(sandbox, '/files/workspace/d?recursive=true', { method: 'DELETE' })
    assert.equal(FILE_ROUTES.remove.answer.parse(await gone.json()).data.path, '/workspace/d')
    assert.equal((await ask(sandbox, '/files/workspace/d/f')).status, 404)
    assert.equal(await (await ask(sandbox, '/files/workspace/g')).text(), 'f')
  })

  test('a file is read in ranges, and its head without its bytes; nothing shows it as a page of ours', async () => {
    const sandbox = await create()
    await ask(sandbox, '/files/workspace/n', { method: 'PUT', body: '0123456789' })
    const part = await ask(sandbox, '/files/workspace/n', { headers: { range: 'bytes=2-4' } })
    assert.deepEqual([part.status, part.headers.get('content-range'), await part.text()], [206, 'bytes 2-4/10', '234'])
    const past = await ask(sandbox, '/files/workspace/n', { headers: { range: 'bytes=10-' } })
    assert.deepEqual([past.status, past.headers.get('content-range')], [416, 'bytes */10'])
    assert.equal(await codeOf(past), 'range_not_satisfiable')
    const headPast = await ask(sandbox, '/files/workspace/n', { method: 'HEAD', headers: { range: 'bytes=10-' } })
    assert.deepEqual([headPast.status, headPast.headers.get('content-range')], [416, 'bytes */10'])
    const head = await ask(sandbox, '/files/workspace/n', { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, '10'])
    assert.equal(head.headers.get('accept-ranges'), 'bytes')
    for (const [name, value] of [
      ['content-type', 'application/octet-stream'],
      ['x-content-type-options', 'nosniff'],
      ['cache-control', 'private, no-store'],
      ['content-disposition', "attachment; filename*=UTF-8''n"],
    ] as const)
      assert.equal(head.headers.get(name), value)
    assert.equal((await ask(sandbox, '/files/workspace', { method: 'HEAD' })).status, 409)
    assert.equal(await codeOf(await ask(sandbox, '/files/workspace')), 'is_a_directory')
  })

  test('another client reads and writes text by its own calls', async () => {
    const sandbox = await create()
    const [dir, file] = ['/workspace/x', '/workspace/x/t.txt']
    assert.equal((await post(sandbox, '/fs/mkdir', { path: dir, recursive: true })).status, 200)
    assert.equal((await post(sandbox, '/fs/write', { path: file, content: 'süß' })).status, 200)
    const read = FS_ROUTES.read.answer.parse(await (await ask(sandbox, `/fs/read?path=${file}`)).json())
    assert.deepEqual(read, { path: file, content: 'süß' })
    const { files } = FS_ROUTES.list.answer.parse(await (await ask(sandbox, `/fs?path=${dir}`)).json())
    assert.deepEqual([files[0]?.name, files[0]?.type, files[0]?.size_bytes], ['t.txt', 'file', 5])
    assert.equal((await ask(sandbox, `/fs?path=${dir}`, { method: 'DELETE' })).status, 200)
    assert.equal((await ask(sandbox, `/fs/read?path=${file}`)).status, 404)
    await ask(sandbox, '/files/workspace/big', { method: 'PUT', body: Buffer.alloc(LIMITS.fileTextBytesMax + 1) })
    assert.equal(await codeOf(await ask(sandbox, '/fs/read?path=/workspace/big')), 'file_too_large')
  })

  test('the door of Podflare takes and gives bytes, and tells what differs in another sandbox', async () => {
    const [one, other] = [await create(), await create()]
    const { url, key } = region()
    const door = (sandbox: string, path: string, init: RequestInit = {}) =>
      fetch(`${url}/podflare/v1/sandboxes/${sandbox}${path}`, { ...init, headers: { authorization: `Bearer ${key}` } })
    for (const sandbox of [one, other])
      await door(sandbox, '/files?path=/workspace/same', { method: 'PUT', body: 'same' })
    await door(one, '/files?path=/workspace/mine', { method: 'PUT', body: 'mine' })
    assert.equal((await door(other, '/files?path=/workspace/theirs', { method: 'PUT', body: 'theirs' })).status, 204)
    assert.equal(await (await door(other, '/files?path=/workspace/theirs')).text(), 'theirs')
    await door(other, '/files?path=/workspace/same', { method: 'PUT', body: 'other' })
    const diff = await door(one, '/diff', { method: 'POST', body: JSON.stringify({ other }) })
    assert.deepEqual(await diff.json(), {
      added: ['/workspace/theirs'],
      removed: ['/workspace/mine'],
      modified: ['/workspace/same'],
    })
    const missing = await door(one, '/files?path=/nothing')
    assert.deepEqual([missing.status, Object.keys(Object(await missing.json()))], [404, ['error']])
  })

  test('an upload wakes a sandbox that is paused, and all of it arrives', async () => {
    const sandbox = await create()
    const path = `/v1/sandboxes/${sandbox}`
    await region().ask(`${path}/pause`, { method: 'POST', body: {} })
    const sent = Buffer.alloc(8 * MIB, 'atoll')
    const put = await ask(sandbox, '/files/workspace/u', { method: 'PUT', body: sent })
    assert.equal(put.status, 200, await put.clone().text())
    assert.ok(Buffer.from(await (await ask(sandbox, '/files/workspace/u')).arrayBuffer()).equals(sent))
    assert.equal(textAt((await region().ask(path)).json, 'data', 'state'), 'running')
    // The host knows of a pause first.
    const vm = region().host.vms.get(sandbox)
    assert.ok(vm)
    vm.state = 'paused'
    const read = await ask(sandbox, '/files/workspace/u', { headers: { range: 'bytes=0-4' } })
    assert.equal(await read.text(), 'atoll')
  })

  test('an upload that breaks off, with a length and without, leaves the file as it was', async () => {
    const sandbox = await create()
    await ask(sandbox, '/files/workspace/kept', { method: 'PUT', body: 'old' })
    const calls = () => agent().asked.filter((call) => call.startsWith('PUT')).length
    for (const headers of [{ 'content-length': String(2 * MIB) }, { 'transfer-encoding': 'chunked' }]) {
      const before = calls()
      const put = httpRequest(`${region().url}/v1/sandboxes/${sandbox}/files/workspace/kept`, {
        method: 'PUT',
        headers: { ...headers, authorization: `Bearer ${region().key}` },
      })
      put.on('error', () => {})
      put.write(Buffer.alloc(MIB, 'new'))
      await until('the upload to begin', () => calls() > before)
      await sleep(50)
      put.socket?.end()
      put.destroy()
      await sleep(100)
      assert.equal(await (await ask(sandbox, '/files/workspace/kept')).text(), 'old')
    }
    await until('nothing half to be left', async () => {
      const listed = await (await ask(sandbox, '/files?path=/workspace')).json()
      return at(listed, 'data', 'entries', 'length') === 1
    })
  })

  test('a packed body is refused, and an upload that the sandbox refuses midway is refused in words', async () => {
    const sandbox = await create()
    const packed = await ask(sandbox, '/files/x', { method: 'PUT', body: 'x', headers: { 'content-encoding': 'gzip' } })
    assert.deepEqual([packed.status, await codeOf(packed)], [415, 'encoding_not_taken'])
    agent().uploadMishap = new AppError('disk_full', 'No space is left.')
    const full = await ask(sandbox, '/files/workspace/x', { method: 'PUT', body: Buffer.alloc(16 * MIB) })
    assert.deepEqual([full.status, await codeOf(full)], [507, 'disk_full'])
    const foreign = await ask('sbx_usw1_00000000000000000000000000000', '/files/x', { method: 'PUT', body: 'x' })
    assert.equal(foreign.status, 404)
  })

  // The connection to the edge is shared: what is too long would be taken for the beginning of somebody else's answer.
  test('an agent that lies about its answers gives away nothing, and no answer is taken for whole that is not', async (t) => {
    const sandbox = await create()
    const before = region().host.agent
    t.after(() => {
      region().host.agent = before
    })
    const answerWith = (head: Record<string, string>, ...pieces: string[]): void => {
      region().host.agent = async (_request, response) => {
        response.writeHead(200, head)
        for (const piece of pieces) {
          response.write(piece)
          await sleep(20)
        }
        if (head['content-length'] === undefined) response.end()
        else response.destroy()
      }
    }
    answerWith({ 'content-length': '10' }, 'short')
    await assert.rejects((await ask(sandbox, '/files/x')).text())
    answerWith(
      { 'content-type': 'text/html', 'content-range': 'bytes 0-1/2', etag: 'not one', 'last-modified': 'now' },
      'page',
    )
    const page = await ask(sandbox, '/files/x')
    assert.deepEqual(
      [page.status, page.headers.get('content-type'), await page.text()],
      [200, 'application/octet-stream', 'page'],
    )
    for (const name of ['etag', 'last-modified', 'atoll-guest']) assert.equal(page.headers.get(name), null, name)
    answerWith({}, '{"path":"/x","entries":"none"}')
    assert.equal(await codeOf(await ask(sandbox, '/files?path=/')), 'guest_unreachable')
    answerWith({}, 'x'.repeat(LIMITS.hostAnswerBytesMax), 'more')
    assert.equal(await codeOf(await ask(sandbox, '/files?path=/')), 'guest_unreachable')
    answerWith({}, '{"type":"created","path":"/x","is_dir":false}\n')
    const headers = { accept: 'text/event-stream' }
    assert.equal(await codeOf(await ask(sandbox, '/files/watch', { headers })), 'guest_unreachable')
    const left = new Promise<void>((resolve) => {
      region().host.agent = (_request, response) =>
        void response.once('close', resolve).writeHead(200).write('{"type":"created","path":"/x","is_dir":false}\n')
    })
    assert.equal(await codeOf(await ask(sandbox, '/files/watch', { headers })), 'guest_unreachable')
    await left
    region().host.agent = (_request, response) =>
      void response.writeHead(418).end('{"code":"missing_token","message":"Send me your key."}')
    assert.equal(await codeOf(await ask(sandbox, '/files/x')), 'guest_unreachable')
    for (const status of [301, 304, 399])
      for (const body of ['', '{"code":"file_not_found","message":"Elsewhere."}']) {
        region().host.agent = (_request, response) => void response.writeHead(status).end(status === 304 ? '' : body)
        for (const [path, init] of [
          ['/files/x', {}],
          ['/files/move', { method: 'POST', body: '{"from":"/a","to":"/b"}' }],
        ] as const)
          assert.equal(await codeOf(await ask(sandbox, path, init)), 'guest_unreachable', `${status} ${path}`)
      }
    region().host.agent = (_request, response) =>
      void response
        .writeHead(422, { 'content-range': 'bytes */10 or so' })
        .end('{"code":"range_not_satisfiable","message":"No."}')
    const odd = await ask(sandbox, '/files/x')
    assert.deepEqual([odd.status, odd.headers.get('content-range')], [416, null])
  })

  test('an answer whose reader leaves frees what was sending it', async () => {
    const sandbox = await create()
    await ask(sandbox, '/files/workspace/l', { method: 'PUT', body: Buffer.alloc(64 * MIB) })
    const leaving = new AbortController()
    const answer = await ask(sandbox, '/files/workspace/l', { signal: leaving.signal })
    await answer.body?.getReader().read()
    leaving.abort()
    await until('the request to be over', () =>
      region().logs.some(({ event, fields }) => event === 'request' && at(fields, 'hung_up') === true),
    )
  })

  test('a file is downloaded as it is, several as an archive, and an archive is unpacked', async () => {
    const sandbox = await create()
    await ask(sandbox, '/files/workspace/d/1', { method: 'PUT', body: 'one' })
    await ask(sandbox, '/files/workspace/2', { method: 'PUT', body: 'two' })
    const one = await ask(sandbox, '/exports/download?path=/workspace/2')
    assert.equal(await one.text(), 'two')
    const many = await ask(sandbox, '/exports/download?paths[]=/workspace/d&paths[]=/workspace/2&filename=x.tar.gz')
    assert.equal(many.headers.get('content-disposition'), "attachment; filename*=UTF-8''x.tar.gz")
    const archive = Buffer.from(await many.arrayBuffer())
    const unpacked = await ask(sandbox, '/archive?path=/workspace/copy', { method: 'PUT', body: archive })
    assert.equal(EXPORT_ROUTES.unpack.answer.parse(await unpacked.json()).data.path, '/workspace/copy')
    assert.equal(await (await ask(sandbox, '/files/workspace/copy/workspace/d/1')).text(), 'one')
    const dir = await ask(sandbox, '/exports/download?path=/workspace/d')
    assert.equal(dir.headers.get('content-disposition'), "attachment; filename*=UTF-8''d.tar.gz")
    await dir.body?.cancel()
    assert.equal((await ask(sandbox, '/exports/download')).status, 422)
    assert.equal((await ask(sandbox, '/archive?path=/nothing')).status, 404)
    const junk = await ask(sandbox, '/archive', { method: 'PUT', body: 'no archive' })
    assert.equal(await codeOf(junk), 'archive_invalid')
  })

  test('a watch tells every change in the words of every client, and ends with its sandbox in words', async () => {
    const sandbox = await create()
    const { url, key } = region()
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${key}` }
    const reader = await readSse(`${url}/v1/sandboxes/${sandbox}/files/watch`, headers)
    assert.equal(reader.headers.get('content-type'), 'text/event-stream')
    const [watch] = agent().watches
    assert.ok(watch)
    watch.write('{"type":"heartbeat"}\n{"type":"created","path":"/workspace/a","is_dir":false,"size":5}\n')
    watch.write('{"type":"overflow","reason":"events"}\n')
    const [created, overflow] = await reader.take(2)
    const change = { type: 'created', event: 'created', path: '/workspace/a', size_bytes: 5, is_dir: false }
    assert.deepEqual([created?.event, created?.data], ['change', change])
    assert.deepEqual(overflow?.data, { type: 'overflow', reason: 'events' })
    watch.destroy()
    const [, , last] = await reader.take(3)
    assert.equal(textAt(last, 'data', 'code'), 'guest_unreachable')
    await reader.ended()
    assert.equal((await ask(sandbox, '/files/watch?path=/workspace', { method: 'HEAD' })).status, 200)
  })

  test('a watch that is left is closed in the sandbox, too', async () => {
    const sandbox = await create()
    const leaving = new AbortController()
    const init = { headers: { accept: 'text/event-stream' }, signal: leaving.signal }
    await ask(sandbox, '/files/watch?path=/workspace', init)
    const [watch] = [...agent().watches].slice(-1)
    assert.ok(watch)
    const closed = once(watch, 'close')
    leaving.abort()
    await closed
  })
})
