/** An agent that was replaced by something hostile fails its own session, with words for the caller, and nothing else of the host. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { performServerHandshake, type ServerHttp2Stream } from 'node:http2'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type GuestSession, openGuestSession } from '../../../origin/hostd/guest/session.ts'
import type { Violation } from '../../../origin/hostd/guest/violation.ts'
import { runCommand } from '../../../origin/hostd/vm/run-command.ts'
import { newVm } from '../../../origin/hostd/vm/vm.ts'
import { AppError } from '../../../shared/errors.ts'
import { encodeFrame, encodeJsonFrame, FRAME, FrameError } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { spec } from '../hostd/requests.ts'
import { orderOf } from './command.ts'
import { UNWATCHED } from './unwatched.ts'

type Speak = (data: Socket) => void
type Answer = (stream: ServerHttp2Stream) => void

const isRefused = (thrown: unknown): boolean =>
  thrown instanceof FrameError || (thrown instanceof AppError && thrown.code === 'guest_unreachable')

/** A machine whose agent shakes hands as it should, and then says what the test wants. */
async function pretend(context: TestContext, speak: Speak): Promise<{ dataPath: string; controlPath: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'atoll-agent-'))
  const paths = { dataPath: join(dir, 'data'), controlPath: join(dir, 'control') }
  const sockets: Socket[] = []
  const keep = (socket: Socket): Socket => {
    sockets.push(socket)
    return socket.on('error', () => {})
  }
  const dataServer = createServer(keep).listen(paths.dataPath)
  const controlServer = createServer((control) => {
    keep(control).on('data', async (line) => {
      const nonce = /hello (\w+)\n/.exec(line.toString())?.[1]
      const data = sockets[0]
      if (data === undefined || nonce === undefined) return
      data.write(`noise\nready ${nonce}\n`)
      await skipBegin(data)
      speak(data)
    })
  }).listen(paths.controlPath)
  await Promise.all([once(dataServer, 'listening'), once(controlServer, 'listening')])
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    dataServer.close()
    controlServer.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return paths
}

/** HTTP/2 may follow in the same breath. */
async function skipBegin(data: Socket): Promise<void> {
  const [chunk]: Buffer[] = await once(data, 'data')
  assert.ok(chunk !== undefined)
  data.pause()
  const rest = chunk.subarray(chunk.indexOf('\n', 1) + 1)
  if (rest.length > 0) data.unshift(rest)
}

type Accused = { session: GuestSession; accusations: Violation[] }

async function accusedOf(context: TestContext, speak: Speak): Promise<Accused> {
  const accusations: Violation[] = []
  const accuse = (violation: Violation): number => accusations.push(violation)
  const paths = await pretend(context, speak)
  const session = await openGuestSession({ ...UNWATCHED, ...paths, accuse, signal: AbortSignal.timeout(60_000) })
  context.after(() => session.close())
  return { session, accusations }
}

const sessionWith = async (context: TestContext, speak: Speak): Promise<GuestSession> =>
  (await accusedOf(context, speak)).session

const http2 =
  (answer: Answer): Speak =>
  (data) => {
    const server = performServerHandshake(data)
    server.on('error', () => {}).on('stream', (stream: ServerHttp2Stream) => answer(stream.on('error', () => {})))
  }

async function runTrue(session: GuestSession, accuse: (violation: Violation) => void = () => {}): Promise<void> {
  const never = new AbortController().signal
  const ended = new AbortController()
  const machine = { guest: { session: async () => session, accuse }, died: ended.signal }
  const exec = orderOf(['/bin/true'], { timeout_ms: 500 })
  try {
    for await (const _frame of runCommand(newVm(spec('hostile'), 0), machine, exec, never));
  } finally {
    // Nobody goes on asking whether it is there.
    ended.abort()
  }
}

const NO_HTTP2: [what: string, speak: Speak][] = [
  ['speaks no HTTP/2', (data) => data.write('HTTP/1.1 200 OK\r\n\r\nhello')],
  ['sends random bytes', (data) => data.write(Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 7919) & 255)))],
  ['sends a frame that is larger than allowed', (data) => data.write(Buffer.from('ffffff0000000000000000', 'hex'))],
]
for (const [what, speak] of NO_HTTP2) {
  test(`an agent that ${what} fails what is asked of it`, { timeout: 120_000 }, async (context) => {
    const { session, accusations } = await accusedOf(context, speak)
    await assert.rejects(session.health(), isRefused)
    await assert.rejects(runTrue(session), isRefused)
    assert.deepEqual(accusations, ['protocol'])
  })
}

const respond = (stream: ServerHttp2Stream, body: Uint8Array | string, status = 200): void => {
  stream.respond({ ':status': status })
  stream.end(body)
}
const flood = (stream: ServerHttp2Stream, chunk: Uint8Array): void => {
  stream.respond({ ':status': 200 })
  const write = () => {
    while (!stream.destroyed && stream.write(chunk));
    if (!stream.destroyed) stream.once('drain', write)
  }
  write()
}
const STARTED = encodeJsonFrame(FRAME.started, { pid: 1 })
const EXIT = { exit_code: 0, reason: 'exit', duration_ms: 1, stdout_truncated: false, stderr_truncated: false }

// An agent may be older than its host, or crash: what it answers then fails a request, and its machine goes on.
const ANSWERS: [what: string, answer: Answer][] = [
  ['answers with something else', (stream) => respond(stream, '{"ok": false}')],
  ['answers with no JSON', (stream) => respond(stream, 'nonsense')],
  ['answers nothing at all', () => {}],
  ['answers with a status of its own', (stream) => respond(stream, '', 500)],
  ['refuses without saying why', (stream) => respond(stream, '{}', 422)],
  ['answers without end', (stream) => flood(stream, Buffer.alloc(16_384, 'x'))],
  ['resets every request', (stream) => stream.close(8)],
  ['says goodbye', (stream) => stream.session?.goaway(1)],
  ['sends headers without end', (stream) => respondWithHeaders(stream, 200)],
]
for (const [what, answer] of ANSWERS) {
  test(`an agent that ${what} fails what is asked of it`, { timeout: 120_000 }, async (context) => {
    const session = await sessionWith(context, http2(answer))
    await assert.rejects(runTrue(session), isRefused)
    await assert.rejects(session.health(), isRefused)
  })
}

function respondWithHeaders(stream: ServerHttp2Stream, count: number): void {
  const headers = Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y'.repeat(100)]))
  stream.respond({ ':status': 200, ...headers })
  stream.end()
}

function beginAndWait(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 })
  stream.write(STARTED)
}

const STREAMS: [what: string, answer: Answer, accused: Violation[]][] = [
  [
    'sends more output than was asked for',
    (stream) => flood(stream, encodeFrame(FRAME.stdout, Buffer.alloc(60_000))),
    ['nonsense'],
  ],
  ['sends a frame that is too long', (stream) => respond(stream, Buffer.from([4, 255, 255, 255, 255])), ['nonsense']],
  ['ends before the command has', (stream) => respond(stream, STARTED), []],
  ['never ends', (stream) => beginAndWait(stream), []],
]
for (const [what, answer, accused] of STREAMS) {
  test(`an agent that ${what} fails that command`, { timeout: 120_000 }, async (context) => {
    const { session } = await accusedOf(context, http2(answer))
    const accusations: Violation[] = []
    await assert.rejects(
      runTrue(session, (violation) => accusations.push(violation)),
      isRefused,
    )
    assert.deepEqual(accusations, accused)
  })
}

// Each frame costs whoever passes it on, and a guest can make a million of them out of what it may say at all.
test('output that comes byte by byte from two sides in turn is taken no faster than a guest may send it, and whole', async (context) => {
  const pairs = 2 * LIMITS.guestFramesPerSecMax
  const pair = Buffer.concat([encodeFrame(FRAME.stdout, Buffer.from('o')), encodeFrame(FRAME.stderr, Buffer.from('e'))])
  const exited = encodeJsonFrame(FRAME.exited, EXIT)
  const said = Buffer.concat([STARTED, ...Array.from({ length: pairs }, () => pair), exited])
  const { session, accusations } = await accusedOf(
    context,
    http2((stream) => respond(stream, said)),
  )
  const began = performance.now()
  let frames = 0
  for await (const _frame of session.exec(orderOf(['/bin/true'], { output_bytes_max: pairs }))) frames += 1
  assert.equal(frames, 2 * pairs + 2)
  // A second's worth may be saved up, and one is there from the beginning.
  assert.ok(performance.now() - began > 1_000)
  assert.deepEqual(accusations, [])
})

test('an agent that hangs up fails what is asked of it, and is blamed for nothing', {
  timeout: 120_000,
}, async (context) => {
  const { session, accusations } = await accusedOf(context, (data) => data.destroy())
  await assert.rejects(session.health(), isRefused)
  assert.deepEqual(accusations, [])
})

test('an agent that never says ready is given up when the caller gives up', { timeout: 120_000 }, async (context) => {
  const { dataPath } = await pretend(context, () => {})
  const began = performance.now()
  // Its control port answers to nobody: the data port of another machine stands in for it.
  const options = { ...UNWATCHED, dataPath, controlPath: dataPath, signal: AbortSignal.timeout(500) }
  await assert.rejects(openGuestSession(options), isRefused)
  assert.ok(performance.now() - began < 60_000)
})

test('an agent that talks for ever and never says ready is given up, and blamed', {
  timeout: 120_000,
}, async (context) => {
  const dir = mkdtempSync(join(tmpdir(), 'atoll-agent-'))
  const paths = { dataPath: join(dir, 'data'), controlPath: join(dir, 'control') }
  const sockets: Socket[] = []
  const keep = (socket: Socket): Socket => {
    sockets.push(socket.on('error', () => {}))
    return socket
  }
  const pour = (socket: Socket): void => {
    while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 'x')));
    if (!socket.destroyed) socket.once('drain', () => pour(socket))
  }
  const servers = [
    createServer((socket) => pour(keep(socket))).listen(paths.dataPath),
    createServer((socket) => keep(socket).resume()).listen(paths.controlPath),
  ]
  await Promise.all(servers.map((server) => once(server, 'listening')))
  context.after(() => {
    for (const closing of [
      ...sockets.map((socket) => () => socket.destroy()),
      ...servers.map((one) => () => one.close()),
    ])
      closing()
    rmSync(dir, { recursive: true, force: true })
  })
  const accusations: Violation[] = []
  const accuse = (violation: Violation): number => accusations.push(violation)
  const opening = openGuestSession({ ...UNWATCHED, ...paths, accuse, signal: AbortSignal.timeout(60_000) })
  await assert.rejects(opening, isRefused)
  assert.deepEqual(accusations, ['flood'])
})
