/** Files of a real machine, through its real ports: what `go test` cannot see of the kernel, the disk and the wire. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import {
  guestFileList,
  guestRemoved,
  guestUnpacked,
  guestWatchLine,
  guestWritten,
} from '../../../shared/contracts/guest-files.ts'
import { guestRefusalBody } from '../../../shared/contracts/guest-refusals.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { run } from './command.ts'
import { askFiles, bytesOf, jsonOf } from './files-asker.ts'
import { bootMachine, type Machine } from './machine.ts'

const MIB = 1024 * 1024
const LARGE_MIB = 32

let machine: Machine
let session: GuestSession
before(async () => {
  machine = await bootMachine()
  session = await machine.open()
})
after(async () => {
  session?.close()
  await machine?.stop()
})

async function* pieces(count: number, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for (let index = 0; index < count; index++) {
    const piece = Buffer.alloc(MIB, index % 251)
    hash.update(piece)
    yield piece
  }
}

/** Of the agent, by its own road. */
async function agentMemoryMib(): Promise<number> {
  const status = await askFiles(session, 'GET', '', { query: { path: '/proc/1/status', user: 'root' } })
  return Number(/VmRSS:\s+(\d+) kB/.exec((await bytesOf(status)).toString())?.[1]) / 1024
}

const codeOf = async (answer: Promise<Awaited<ReturnType<typeof askFiles>>>): Promise<string> =>
  guestRefusalBody.parse(await jsonOf(await answer)).code

test('a large file goes up and comes down as it was, and nobody on the way keeps it', async (context) => {
  const up = createHash('sha256')
  const down = createHash('sha256')
  const before = process.memoryUsage.rss()
  const begun = performance.now()
  const written = await askFiles(session, 'PUT', '', { query: { path: 'large' }, body: pieces(LARGE_MIB, up) })
  const { file } = guestWritten.parse(await jsonOf(written))
  assert.deepEqual([file.path, file.size, file.uid], ['/workspace/large', LARGE_MIB * MIB, 1000])
  const turned = performance.now()
  const { stream, headers } = await askFiles(session, 'GET', '', { query: { path: 'large' } })
  assert.equal(headers['content-length'], String(LARGE_MIB * MIB))
  for await (const piece of stream as AsyncIterable<Buffer>) down.update(piece)
  const ended = performance.now()
  assert.equal(down.digest('hex'), up.digest('hex'))
  const agentMib = await agentMemoryMib()
  const rate = (ms: number): string => `${Math.round((LARGE_MIB * 1000) / ms)} MiB/s`
  context.diagnostic(`up ${rate(turned - begun)}, down ${rate(ended - turned)}, the agent has ${agentMib} MiB`)
  assert.ok(agentMib < 48)
  assert.ok(process.memoryUsage.rss() - before < 128 * MIB)
})

test('the kernel’s own limits hold for a user of the machine, and root may ask to be one', async () => {
  for (const path of ['/etc/shadow', '/proc/1/environ', '/proc/self/environ', '/proc/1/mem'])
    assert.equal(await codeOf(askFiles(session, 'GET', '', { query: { path } })), 'permission_denied', path)
  assert.equal(
    await codeOf(askFiles(session, 'PUT', '', { query: { path: '/etc/new' }, body: {} })),
    'permission_denied',
  )
  const shadow = await askFiles(session, 'GET', '', { query: { path: '/etc/shadow', user: 'root' } })
  assert.match((await bytesOf(shadow)).toString(), /^root:/)
  // What commands run as is not what a file was asked for as.
  assert.equal(
    (await run(session, 'id -u; cat /proc/self/status | grep CapEff')).stdout,
    '1000\nCapEff:\t0000000000000000\n',
  )
})

test('what was uploaded is there for commands, and what commands wrote is there to be read', async () => {
  const script = Buffer.from('#!/bin/sh\nprintf "%s" "$1" > result\n')
  const body = (async function* () {
    yield script
  })()
  const written = await askFiles(session, 'PUT', '', { query: { path: 'bin/tool', mode: '0755' }, body })
  assert.equal(guestWritten.parse(await jsonOf(written)).file.mode, '0755')
  assert.equal((await run(session, './bin/tool hello')).exit_code, 0)
  const { status, stream, headers } = await askFiles(session, 'GET', '', {
    query: { path: 'result' },
    headers: { range: 'bytes=1-3' },
  })
  assert.deepEqual([status, headers['content-range']], [206, 'bytes 1-3/5'])
  assert.equal((await bytesOf({ status, stream, headers })).toString(), 'ell')
})

test('a disk that is full says so, and keeps the old file', async () => {
  const path = '/tmp/precious'
  const one = (text: string | Buffer) =>
    (async function* () {
      yield Buffer.from(text)
    })()
  await jsonOf(await askFiles(session, 'PUT', '', { query: { path }, body: one('old') }))
  const headers = { 'content-length': String(1024 ** 4) }
  assert.equal(await codeOf(askFiles(session, 'PUT', '', { query: { path }, headers, body: one('new') })), 'disk_full')
  const kept = await askFiles(session, 'GET', '', { query: { path } })
  assert.equal((await bytesOf(kept)).toString(), 'old')
})

test('fifty downloads at a time have the same share of the wire, within a factor of two', async (context) => {
  const size = 2 * MIB
  assert.equal((await run(session, `head -c ${size} /dev/zero > share`)).exit_code, 0)
  const counts = Array.from({ length: 50 }, () => 0)
  let atFirstEnd: number[] = []
  await Promise.all(
    counts.map(async (_, index) => {
      const { stream } = await askFiles(session, 'GET', '', { query: { path: 'share' } })
      for await (const piece of stream as AsyncIterable<Buffer>) counts[index] = (counts[index] ?? 0) + piece.length
      if (atFirstEnd.length === 0) atFirstEnd = [...counts]
    }),
  )
  assert.ok(counts.every((count) => count === size))
  const least = Math.min(...atFirstEnd)
  assert.ok(size <= 2 * least + LIMITS.guestWindowBytes, `${least} bytes of one, when another had all ${size}`)
  context.diagnostic(`when the first had ${size} bytes, the last had ${least}`)
})

test('a watch tells of what a command does, within moments', async (context) => {
  assert.equal((await run(session, 'mkdir -p watched/deep')).exit_code, 0)
  const stop = new AbortController()
  const { stream } = await askFiles(session, 'GET', '/watch', { query: { path: 'watched' }, signal: stop.signal })
  const told: string[] = []
  let rest = ''
  const wanted = ['ready', 'created /workspace/watched/deep/a', 'deleted /workspace/watched/deep/a']
  const begun = performance.now()
  const reading = (async () => {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      const lines = (rest + piece).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const said = guestWatchLine.parse(JSON.parse(line))
        told.push('path' in said ? `${said.type} ${said.path}` : said.type)
        if (said.type === 'ready')
          void run(session, 'echo 12345 > watched/deep/a; sleep 1; mv watched/deep/a watched/b')
      }
      if (told.includes('created /workspace/watched/b')) return
    }
  })()
  await reading
  stop.abort()
  context.diagnostic(`all was told after ${Math.round(performance.now() - begun)} ms`)
  assert.ok(
    wanted.every((line) => told.includes(line)),
    told.join(', '),
  )
})

test('what is packed in one machine unpacks to the same, and all of it can be removed', async () => {
  await run(session, 'mkdir -p tree/a/b; echo x > tree/a/b/file; ln -s a/b/file tree/link; chmod 700 tree/a')
  const body = { paths: ['tree'], format: 'tar.gz' }
  const packed = await bytesOf(await askFiles(session, 'POST', '/pack', { body }))
  const archive = (async function* () {
    yield packed
  })()
  const unpacked = await askFiles(session, 'PUT', '/unpack', { query: { path: 'second' }, body: archive })
  assert.deepEqual(guestUnpacked.parse(await jsonOf(unpacked)), { files: 2, directories: 3, bytes: 2 })
  assert.equal((await run(session, 'diff -r tree second/tree && stat -c %a second/tree/a')).stdout, '700\n')
  const removal = { path: 'second', recursive: true }
  const removed = guestRemoved.parse(await jsonOf(await askFiles(session, 'POST', '/remove', { body: removal })))
  assert.equal(removed.removed, 6)
})

test('a list of the whole machine is bounded, and leaves out what the kernel invents', async () => {
  const answer = await askFiles(session, 'GET', '/list', { query: { path: '/', depth: '100', limit: '3000' } })
  const list = guestFileList.parse(await jsonOf(answer))
  assert.ok(list.truncated && list.entries.length === 3_000)
  assert.ok(!list.entries.some(({ path }) => path.startsWith('/proc/') || path.startsWith('/sys/')))
})
