/** A controller's calls to the agent in a machine, by way of a host that passes them on. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { connectHost, type Host } from '../../../origin/controller/hosts/client.ts'
import { guestCalls } from '../../../origin/controller/hosts/guest-calls.ts'
import { type HostDouble, startHostDouble } from '../../integration/controller/support/host-double.ts'
import { vmSpecOf } from '../../integration/controller/support/vm-spec.ts'

let double: HostDouble
let host: Host
const nobodyLeaves = new AbortController().signal
before(async () => {
  double = await startHostDouble('h1')
  host = connectHost({ kind: 'socket', name: 'h1', socketPath: double.socketPath })
  await host.start({ vm: vmSpecOf('sbx_1') }, {})
})
after(async () => {
  await host.close()
  await double.close()
})

test('what the agent says arrives as it said it, a refusal of its own included', async () => {
  double.agent = (request, response, id) => {
    response.writeHead(418, { 'content-type': 'application/json', 'atoll-word': 'yes', 'x-secret': 'no' })
    response.end(JSON.stringify({ id, url: request.url, method: request.method }))
  }
  const answer = await host.guest('sbx_1', { method: 'GET', path: 'files?path=%2Fa' }, nobodyLeaves)
  assert.ok(answer.kind === 'answered')
  assert.equal(answer.status, 418)
  assert.deepEqual([answer.headers['atoll-word'], answer.headers['x-secret']], ['yes', undefined])
  assert.deepEqual(JSON.parse(String(Buffer.concat(await answer.body.toArray()))), {
    id: 'sbx_1',
    url: '/v1/files?path=%2Fa',
    method: 'GET',
  })
})

test('a body is streamed, and an answer that breaks off is an error and no end', async () => {
  double.agent = (request, response) => {
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.once('end', () => response.write(String(bytes), () => setImmediate(() => response.destroy())))
  }
  const body = Readable.from([Buffer.alloc(1_000), Buffer.alloc(24)])
  const answer = await host.guest('sbx_1', { method: 'PUT', path: 'files', body }, nobodyLeaves)
  assert.ok(answer.kind === 'answered')
  await assert.rejects(answer.body.toArray())
})

test('a call for which there is no connection is refused at once, and begun again when one is free', async () => {
  double.agent = (_request, response) => {
    response.writeHead(200).write('more')
  }
  const pool = new Pool('http://host', { socketPath: double.socketPath, connections: 2 })
  try {
    const calls = guestCalls({ kind: 'socket', name: 'h1', socketPath: double.socketPath }, pool, 2)
    const ask = () => calls.guest('sbx_1', { method: 'GET', path: 'files' }, nobodyLeaves)
    const [first, second] = [await ask(), await ask()]
    assert.deepEqual([first.kind, second.kind], ['answered', 'answered'])
    const third = await ask()
    assert.ok(third.kind === 'refused')
    assert.equal(third.error.code, 'capacity_exhausted')
    assert.ok(first.kind === 'answered')
    first.body.destroy()
    let again = await ask()
    for (let tries = 0; again.kind === 'refused' && tries < 6_000; tries += 1) {
      await sleep(10)
      again = await ask()
    }
    assert.equal(again.kind, 'answered')
  } finally {
    await pool.destroy()
  }
})

test('a conversation goes both ways at once', async () => {
  double.agent = (request, response) => {
    response.writeHead(200).flushHeaders()
    request.pipe(response)
  }
  const opened = await host.guestStream('sbx_1', { method: 'POST', path: 'talk' }, nobodyLeaves)
  assert.ok(opened.kind === 'opened')
  const said = opened.socket[Symbol.asyncIterator]()
  for (const word of ['one', 'two']) {
    opened.socket.write(word)
    assert.equal(String((await said.next()).value), word)
  }
  opened.socket.end()
  assert.equal((await said.next()).done, true)
})

test('a machine that is paused, and one that is not there, are told apart from what an agent says', async () => {
  await host.pause('sbx_1')
  for (const [id, code] of [
    ['sbx_1', 'sandbox_not_running'],
    ['sbx_2', 'sandbox_not_found'],
  ] as const) {
    for (const call of [host.guest, host.guestStream]) {
      const refused = await call(id, { method: 'POST', path: 'talk' }, nobodyLeaves)
      assert.ok('error' in refused)
      assert.equal(refused.error.code, code)
    }
  }
})
