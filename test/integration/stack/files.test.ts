/** Files of a real machine, by the API of a region whose host is real: what a kernel does with names, links, devices and a full disk. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FILE_ROUTES } from '../../../shared/contracts/files.ts'
import { createSmall, type RealRegion, startRealRegion } from '../../harness/real-region.ts'
import { growthOf } from '../../harness/watch-memory.ts'
import { at, textAt, until } from '../controller/support/region.ts'
import { readSse } from '../controller/support/sse.ts'

const MIB = 1024 * 1024
const PASSING_BYTES = 72 * MIB
/** What is left of a file for the collector to find; a daemon that kept it would have all of it. */
const GROWTH_BYTES_MAX = 56 * MIB

describe('files of a machine', { timeout: 600_000 }, () => {
  let real: RealRegion
  let sandbox: string
  before(async () => {
    real = await startRealRegion()
    sandbox = await createSmall(real.region)
  })
  after(() => real?.stop())

  const ask = (path: string, init: RequestInit = {}): Promise<Response> => {
    const { url, key } = real.region
    const headers = { ...init.headers, authorization: `Bearer ${key}` }
    return fetch(`${url}/v1/sandboxes/${sandbox}${path}`, { ...init, headers })
  }
  const post = (path: string, body: unknown): Promise<Response> =>
    ask(path, { method: 'POST', body: JSON.stringify(body) })
  const put = (path: string, body: string | Uint8Array): Promise<Response> =>
    ask(`/files${path}`, { method: 'PUT', body })
  const codeOf = async (answer: Response): Promise<string> => textAt(await answer.json(), 'error', 'code')
  const exec = async (command: string): Promise<string> =>
    textAt(await (await post('/exec', { command })).json(), 'data', 'stdout')

  test('what is written is what the machine has, with its parents, its owner and its mode', async () => {
    const written = await put('/workspace/a/b.txt?mode=0640', 'hello')
    const { data } = FILE_ROUTES.put.answer.parse(await written.json())
    assert.deepEqual([data.path, data.size, data.mode], ['/workspace/a/b.txt', 5, '0640'])
    assert.equal(await exec('cat a/b.txt; stat -c " %U %a" a/b.txt'), 'hello sandbox 640\n')
    await exec('printf world > a/b.txt')
    assert.equal(await (await ask('/files/workspace/a/b.txt')).text(), 'world')
    assert.equal((await post('/files', { path: 'a/c', content: 'aGk=' })).status, 200)
    const tree = FILE_ROUTES.tree.answer.parse(await (await ask('/files/tree?path=/workspace/a')).json())
    assert.deepEqual(
      [0, 1].map((n) => textAt(tree, 'data', 'children', String(n), 'name')),
      ['b.txt', 'c'],
    )
    const found = await (await ask('/files/search?pattern=*.txt&path=/workspace')).json()
    assert.equal(textAt(found, 'data', 'entries', '0', 'path'), '/workspace/a/b.txt')
  })

  test('72 MiB go up and come down byte for byte, and hardly any of it stays in the daemon', async (t) => {
    const sent = randomBytes(PASSING_BYTES)
    const sum = createHash('sha256').update(sent).digest('hex')
    const { pid } = real.daemon
    assert.equal((await put('/workspace/before', sent.subarray(0, 8 * MIB))).status, 200)
    const up = await growthOf(pid, async () => assert.equal((await put('/workspace/big', sent)).status, 200))
    assert.equal((await exec('sha256sum < big')).split(' ')[0], sum)
    const hash = createHash('sha256')
    const down = await growthOf(pid, async () => {
      for await (const chunk of (await ask('/files/workspace/big')).body ?? []) hash.update(chunk)
    })
    assert.equal(hash.digest('hex'), sum)
    t.diagnostic(`the daemon grew by ${up >> 20} MiB up and ${down >> 20} MiB down`)
    assert.ok(Math.max(up, down) < GROWTH_BYTES_MAX, `${up} ${down}`)
    const part = await ask('/files/workspace/big', { headers: { range: 'bytes=1048576-1048585' } })
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), sent.subarray(MIB, MIB + 10))
    const past = await ask('/files/workspace/big', { headers: { range: `bytes=${PASSING_BYTES}-` } })
    assert.deepEqual([past.status, past.headers.get('content-range')], [416, `bytes */${PASSING_BYTES}`])
    await past.text()
    const head = await ask('/files/workspace/big', { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), String(PASSING_BYTES))
  })

  test('names are bytes: 255 of them, with newlines, not UTF-8', async () => {
    const names = ['n'.repeat(255), 'a%0Ab', '%FF%FE', '%20 %25']
    for (const name of names) {
      assert.equal((await put(`/workspace/names/${name}`, name)).status, 200, name)
      assert.equal(await (await ask(`/files/workspace/names/${name}`)).text(), name)
    }
    const { data } = FILE_ROUTES.list.answer.parse(await (await ask('/files?path=names')).json())
    assert.equal(data.entries.length, names.length)
    assert.ok(data.entries.some(({ name_base64 }) => name_base64 === Buffer.from([0xff, 0xfe]).toString('base64')))
    assert.ok(data.entries.some(({ name }) => name === 'a\nb'))
    assert.equal(await codeOf(await put(`/workspace/names/${'n'.repeat(256)}`, '')), 'invalid_path')
    assert.equal((await ask('/files/workspace/names/%FF%FE', { method: 'DELETE' })).status, 200)
    assert.equal(await exec('ls names | wc -l'), '4\n')
  })

  test('what climbs, goes in circles, is no file or is not theirs is refused by its name', async () => {
    await exec('ln -s loop loop; mkfifo pipe; mkdir -p full/of; ln -s /etc/shadow shadow')
    const refused: [path: string, status: number, code: string][] = [
      ['/files/workspace', 409, 'is_a_directory'],
      ['/files/workspace/loop', 400, 'invalid_path'],
      ['/files/workspace/pipe', 409, 'not_a_file'],
      ['/files/dev/zero', 409, 'not_a_file'],
      ['/files/workspace/a/b.txt/c', 409, 'not_a_directory'],
      ['/files/workspace/shadow', 403, 'permission_denied'],
      ['/files/nothing', 404, 'file_not_found'],
    ]
    for (const [path, status, code] of refused) {
      const answer = await ask(path)
      assert.deepEqual([answer.status, await codeOf(answer)], [status, code], path)
      assert.equal((await ask(path, { method: 'HEAD' })).status, status, path)
    }
    assert.equal(await codeOf(await post('/files/stat', { path: '../../../etc/passwd' })), 'invalid_path')
    assert.equal(await codeOf(await ask('/files/workspace/full', { method: 'DELETE' })), 'not_empty')
    assert.equal(await codeOf(await put('/workspace', 'x')), 'is_a_directory')
    assert.equal(await codeOf(await put('/etc/mine', 'x')), 'permission_denied')
    assert.equal((await put('/etc/mine?user=root', 'x')).status, 200)
    assert.match(await (await ask('/files/proc/meminfo')).text(), /^MemTotal:/)
    assert.match(await (await ask('/files/etc/shadow?user=root')).text(), /^root:/)
  })

  test('a full disk refuses an upload in words, and the file that was there stays', async () => {
    await put('/workspace/kept', 'old')
    await exec('fallocate -l $(( $(df --output=avail -B1 . | tail -1) - 8388608 )) filler')
    const full = await put('/workspace/kept', Buffer.alloc(32 * MIB, 'new'))
    assert.deepEqual([full.status, await codeOf(full)], [507, 'disk_full'])
    const chunked = await ask('/files/workspace/kept', {
      method: 'PUT',
      body: Readable.toWeb(Readable.from([Buffer.alloc(16 * MIB), Buffer.alloc(16 * MIB)])) as ReadableStream,
      duplex: 'half',
    } as RequestInit)
    assert.deepEqual([chunked.status, await codeOf(chunked)], [507, 'disk_full'])
    assert.equal(await (await ask('/files/workspace/kept')).text(), 'old')
    await exec('rm filler')
    assert.equal((await put('/workspace/kept', 'new')).status, 200)
  })

  test('an upload whose sender leaves, and one whose sandbox is paused meanwhile, leave nothing behind', async () => {
    await put('/workspace/half/kept', 'old')
    const { hostname, port } = new URL(real.region.url)
    const begin = async () => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {}).resume()
      const head = `PUT /v1/sandboxes/${sandbox}/files/workspace/half/kept HTTP/1.1\r\nhost: a\r\ncontent-length: ${8 * MIB}`
      socket.write(`${head}\r\nauthorization: Bearer ${real.region.key}\r\n\r\n`)
      socket.write(Buffer.alloc(MIB, 'new'))
      await sleep(500)
      return socket
    }
    ;(await begin()).resetAndDestroy()
    const paused = await begin()
    assert.equal((await post('/pause', {})).status, 200)
    paused.destroy()
    assert.equal(await (await ask('/files/workspace/half/kept')).text(), 'old')
    await until('nothing half to be left', async () => (await exec('ls -A half')) === 'kept\n')
    await post('/pause', {})
    assert.equal((await put('/workspace/half/kept', 'woken')).status, 200)
    assert.equal(await exec('cat half/kept'), 'woken')
  })

  test('a watch tells what commands and the API do, and an archive of it unpacks to the same', async () => {
    await exec('mkdir -p seen/deep')
    const { url, key } = real.region
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${key}` }
    const watch = await readSse(`${url}/v1/sandboxes/${sandbox}/files/watch?path=/workspace/seen`, headers)
    assert.equal(watch.status, 200)
    const told = (type: string, path: string): Promise<void> =>
      until(`${type} ${path} to be told`, () =>
        watch.frames.some(({ data }) => data.type === type && data.path === `/workspace/seen/${path}`),
      )
    await exec('echo 1 > seen/deep/one')
    await told('created', 'deep/one')
    await put('/workspace/seen/two', 'two')
    await told('created', 'two')
    await exec('rm seen/deep/one')
    await told('deleted', 'deep/one')
    watch.close()
    const archive = Buffer.from(await (await ask('/exports/download?path=/workspace/seen')).arrayBuffer())
    const unpacked = await ask('/archive?path=/workspace/copy', { method: 'PUT', body: archive })
    assert.equal(unpacked.status, 200, await unpacked.clone().text())
    assert.ok(Number(at(await unpacked.json(), 'data', 'files')) >= 1)
    assert.match(await exec('find copy -name two -exec cat {} +'), /two/)
  })
})
