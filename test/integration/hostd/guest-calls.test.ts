/** Calls that pass through the daemon to the agent of a real machine: both bodies as they come, and a cut is never taken for an end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { type Dispatcher, Pool } from 'undici'
import { guestHealth } from '../../../shared/contracts/guest.ts'
import { GUEST_ANSWER_HEADER } from '../../../shared/contracts/host.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, spec, textOf } from './requests.ts'

/** Says everything back. */
const ECHO = `
import socket, threading
def serve(peer):
  while (data := peer.recv(65536)): peer.sendall(data)
  peer.close()
server = socket.create_server(('127.0.0.1', 7000), backlog=300)
while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`
const MIB = 1024 * 1024

let host: Daemon
let client: Pool
before(async () => {
  host = await Daemon.start()
  client = new Pool('http://host', { socketPath: `${host.directory}/hostd.sock`, connections: 300, bodyTimeout: 0 })
  await create(host, spec('called'))
  await exec(host, 'called', `setsid python3 -c "${ECHO}" > /dev/null 2>&1 < /dev/null &`)
  await host.until('the server listens', 60_000, async () => {
    const answer = await ask('POST', 'ports/7000', 'x')
    await answer.body.text()
    return answer.statusCode === 200
  })
})
after(async () => {
  await client?.destroy()
  await host?.stop()
})

type Body = string | Uint8Array | PassThrough | null
const ask = (
  method: 'GET' | 'POST',
  rest: string,
  body: Body = null,
  headers: Record<string, string> = {},
): Promise<Dispatcher.ResponseData> =>
  client.request({ method, path: `/v1/vms/called/guest/${rest}`, body, headers, headersTimeout: 120_000 })

test('the agent answers in its own words, marked as its own, and a refusal of the host is not', async () => {
  const answer = await ask('GET', 'health')
  assert.equal(answer.headers[GUEST_ANSWER_HEADER], '1')
  guestHealth.parse(await answer.body.json())
  const unknown = await ask('GET', 'nothing-of-this-name?x=1')
  assert.deepEqual([unknown.statusCode, unknown.headers[GUEST_ANSWER_HEADER]], [404, '1'])
  await unknown.body.dump()
  const nobody = await client.request({ method: 'GET', path: '/v1/vms/nobody/guest/health' })
  assert.deepEqual([nobody.statusCode, nobody.headers[GUEST_ANSWER_HEADER]], [404, undefined])
  await nobody.body.dump()
})

test('the head of an answer alone is one answer, behind which its connection serves the next call', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<Socket>()
  try {
    for (let call = 0; call < 3; call++) {
      const path = '/v1/vms/called/guest/files?path=/etc/hostname'
      const asked = request({ agent, socketPath: `${host.directory}/hostd.sock`, method: 'HEAD', path }).end()
      asked.once('socket', (socket) => sockets.add(socket))
      const [head] = (await once(asked, 'response')) as [IncomingMessage]
      assert.deepEqual([head.statusCode, head.headers[GUEST_ANSWER_HEADER]], [200, '1'])
      await once(head.resume(), 'end')
    }
    assert.equal(sockets.size, 1)
  } finally {
    agent.destroy()
  }
})

test('what a call sends comes back while it is still sending', async () => {
  const sending = new PassThrough()
  sending.write('one')
  const answer = await ask('POST', 'ports/7000', sending)
  const reader = answer.body[Symbol.asyncIterator]()
  assert.equal(String((await reader.next()).value), 'one')
  sending.write('two')
  assert.equal(String((await reader.next()).value), 'two')
  sending.end()
  assert.equal((await reader.next()).done, true)
})

test('large bodies pass whole, both ways, and hold up no other call', async () => {
  const much = new Uint8Array(8 * MIB).fill(7)
  const [echoed, health] = await Promise.all([
    ask('POST', 'ports/7000', much).then(({ body }) => body.bytes()),
    ask('GET', 'health').then(({ body }) => body.json()),
  ])
  assert.equal(Buffer.compare(echoed, much), 0)
  guestHealth.parse(health)
})

test('a caller who hangs up in the middle of a body leaves nothing open', async () => {
  const sending = new PassThrough()
  sending.on('error', () => undefined)
  sending.write('half')
  const answer = await ask('POST', 'ports/7000', sending)
  answer.body.on('error', () => undefined).destroy()
  sending.destroy()
  await host.until('the call is over', 60_000, async () => {
    const connections = await exec(host, 'called', 'awk \'$2 ~ /:1B58$/ && $4 == "01"\' /proc/net/tcp | wc -l')
    return textOf(connections).trim() === '0'
  })
})

test('a call that is under way breaks when the machine is paused, and one that comes then is refused', async () => {
  const sending = new PassThrough()
  sending.on('error', () => undefined)
  sending.write('said')
  const answer = await ask('POST', 'ports/7000', sending)
  const whole = answer.body.text()
  const cut = assert.rejects(whole)
  await host.send('POST', '/v1/vms/called/pause')
  await cut
  sending.destroy()
  const refused = await ask('GET', 'health')
  const { error } = (await refused.body.json()) as { error: { code: string } }
  assert.equal(error.code, 'sandbox_not_running')
})
