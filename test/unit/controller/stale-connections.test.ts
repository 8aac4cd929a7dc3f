/** A host may end a connection just as a request is sent on it: nobody can tell whether the request was heard. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as askHttp, createServer, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connectHost, type Host } from '../../../origin/controller/hosts/client.ts'
import { listen } from '../../../origin/hostd/listen.ts'
import { GUEST_ANSWER_HEADER } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'

const nobodyLeaves = new AbortController().signal

/** A host that ends connections when another request comes on them, and then takes the next one. */
async function startFickleHost(t: TestContext): Promise<{ host: Host; heard: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'atoll-stale-'))
  const heard: string[] = []
  const used = new WeakSet<Socket>()
  let wasCut = false
  const server = createServer({ keepAliveTimeout: LIMITS.hostKeepAliveMs }, ({ url, socket }, response) => {
    wasCut = used.has(socket) && !wasCut
    heard.push(wasCut ? `${url}, cut` : `${url}`)
    if (wasCut) return void socket.destroy()
    used.add(socket)
    response.writeHead(200, { 'content-type': 'application/json', [GUEST_ANSWER_HEADER]: '1' })
    response.end(JSON.stringify({ vms: [], lost: [] }))
  })
  const socketPath = join(folder, 'host.sock')
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const host = connectHost({ kind: 'socket', name: 'h1', socketPath })
  t.after(async () => {
    await host.close()
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { host, heard }
}

const ROUNDS = 20

/** What becomes of so many calls in a row, and what the host heard of them. Which of its connections a call takes is the client's affair. */
async function ask(fickle: { host: Host; heard: string[] }, call: (host: Host) => Promise<string>) {
  fickle.heard.splice(0)
  const kinds: string[] = []
  for (let round = 0; round < ROUNDS; round += 1) kinds.push(await call(fickle.host))
  const cut = fickle.heard.filter((what) => what.endsWith(', cut')).length
  assert.ok(cut > 0, 'no call met a connection that ended')
  return { kinds, cut, heard: fickle.heard.length }
}

const guestCall = (method: 'GET' | 'POST') => async (host: Host) => {
  const answer = await host.guest('sbx_1', { method, path: 'processes' }, nobodyLeaves)
  if (answer.kind === 'answered') await answer.body.toArray()
  return answer.kind
}

test('what only reads is asked again on another connection, and its caller hears nothing of the first', async (t) => {
  const fickle = await startFickleHost(t)
  const inventories = await ask(fickle, async (host) => (await host.inventory()).kind)
  assert.deepEqual([new Set(inventories.kinds), inventories.heard], [new Set(['done']), ROUNDS + inventories.cut])
  const reads = await ask(fickle, guestCall('GET'))
  assert.deepEqual([new Set(reads.kinds), reads.heard], [new Set(['answered']), ROUNDS + reads.cut])
})

// A command that was heard twice would be done twice.
test('what changes something is sent once, and said to have an outcome that nobody knows', async (t) => {
  const fickle = await startFickleHost(t)
  const changes = await ask(fickle, guestCall('POST'))
  assert.deepEqual([changes.kinds.filter((kind) => kind === 'unknown').length, changes.heard], [changes.cut, ROUNDS])
})

// Whoever sends must be the one who lets go first; without these words a client guesses.
test('a host tells its controllers for how long it keeps an idle connection', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'atoll-stale-'))
  const socketPath = join(folder, 'host.sock')
  const server = await listen(() => new Response('{}'), socketPath)
  t.after(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    askHttp({ socketPath, path: '/', headers: { connection: 'keep-alive' } }, resolve)
      .on('error', reject)
      .end(),
  )
  answer.resume()
  assert.equal(answer.headers['keep-alive'], `timeout=${LIMITS.hostKeepAliveMs / 1_000}`)
})
