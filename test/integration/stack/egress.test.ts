/** A region and a real machine: what its tenant allows it reaches, what nobody allowed it does not, and both are told of. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { EGRESS_AUDIT_ROUTES } from '../../../shared/contracts/egress-audit.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { embedded, type TestServer } from '../controller/support/databases.ts'
import { type Answer, startRegion, type TestRegion, textAt, until } from '../controller/support/region.ts'

/** An address of this machine that no program of the sandbox takes for its own. */
const ADDRESS = '127.0.0.2'
const PRIVATE = { ATOLL_EGRESS_ALLOW_PRIVATE: 'true' }

let server: TestServer
let region: TestRegion
let daemon: Daemon
let port: number
let id: string
const heard: string[] = []
const world = createServer((request, response) => {
  heard.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`)
  response.end('the world')
})

before(async () => {
  server = await embedded.open()
  world.listen(0, ADDRESS)
  await once(world, 'listening')
  port = (world.address() as AddressInfo).port
  daemon = await Daemon.start(PRIVATE)
  const env = { ...PRIVATE, ATOLL_HOSTS: `real=unix:${daemon.directory}/hostd.sock` }
  region = await startRegion(await server.createDatabase(), { env })
  const machine = { cpu_count: 1, memory_mb: 512, disk_size_mb: 2_048 }
  id = textAt((await done(post('/v1/sandboxes', machine))).json, 'data', 'id')
})
after(async () => {
  await region?.close()
  await daemon?.stop()
  await server?.remove()
  world.close()
})

const post = (path: string, body: object = {}): Promise<Answer> => region.ask(path, { method: 'POST', body })
const done = async (asked: Promise<Answer>): Promise<Answer> => {
  const answer = await asked
  assert.ok(answer.status < 300, answer.text)
  return answer
}
const run = async (command: string): Promise<string> =>
  textAt((await done(post(`/v1/sandboxes/${id}/exec`, { command }))).json, 'data', 'stdout')
const fetched = (path: string): Promise<string> =>
  run(`curl -s -o /dev/null -w '%{http_code}' -H "authorization: $KEY" http://${ADDRESS}:${port}${path}`)

const told = async () =>
  EGRESS_AUDIT_ROUTES.list.answer.parse((await region.ask(`/v1/egress/audit?resource_id=${id}`)).json).data
const untilTold = (count: number) => until(`${count} entries`, async () => (await told()).length >= count, 60_000)

// It is the first that a new user sees of the way out, and nobody has said anything of it yet.
test('a sandbox of which nothing was said is refused in words, and its owner reads of it and what to allow', async () => {
  assert.match(await run(`curl -s http://${ADDRESS}:${port}/first`), /no way out.*egress policy/)
  assert.match(await run('curl -sS https://pypi.test/simple/ 2>&1 || true'), /CONNECT tunnel failed, response 403/)
  await untilTold(2)
  assert.deepEqual(
    (await told()).map(({ host, method, path, action, reason }) => [host, method, path, action, reason]),
    [
      ['pypi.test', 'CONNECT', null, 'denied', 'default'],
      [ADDRESS, 'GET', '/first', 'denied', 'default'],
    ],
  )
  const { answer } = EGRESS_AUDIT_ROUTES.suggestions
  const suggested = answer.parse((await region.ask(`/v1/egress/audit/suggestions?resource_id=${id}`)).json).data
  assert.deepEqual(
    suggested.map(({ host, port, effect, count }) => [host, port, effect, count]),
    [
      ['pypi.test', 443, 'allow', 1],
      [ADDRESS, port, 'allow', 1],
    ],
  )
  assert.deepEqual(heard, [])
})

test('a sandbox reaches what is allowed from the answer on, until it is allowed no more, and its owner reads of both', async () => {
  await done(
    post('/v1/egress/secrets', { name: 'key', value: 'sk-of-the-tenant', hosts: ['api.test'], expose_as_env: 'KEY' }),
  )
  await done(post('/v1/egress/allowlist', { host: 'denied.test', effect: 'deny', resource_id: id }))
  assert.equal(await fetched('/before'), '403')
  const rule = await done(
    post('/v1/egress/allowlist', { host: ADDRESS, effect: 'allow', ports: [port], resource_id: id }),
  )
  assert.equal(await run(`curl -s http://${ADDRESS}:${port}/within`), 'the world')
  await untilTold(4)
  await done(region.ask(`/v1/egress/allowlist/${textAt(rule.json, 'data', 'id')}`, { method: 'DELETE' }))
  assert.equal(await fetched('/after'), '403')
  assert.deepEqual(
    heard.map((line) => line.split(' ')[1]),
    ['/within'],
  )
  await untilTold(5)
  assert.deepEqual(
    (await told()).slice(0, 3).map(({ path, action, reason, rule_id }) => [path, action, reason, rule_id]),
    [
      ['/after', 'denied', 'default', null],
      ['/within', 'allowed', 'rule', textAt(rule.json, 'data', 'id')],
      ['/before', 'denied', 'default', null],
    ],
  )
})

test('a secret is in no process of the sandbox, and goes to no host that it is not for', async () => {
  const placeholder = (await run('printf %s "$KEY"')).trim()
  assert.match(placeholder, /^atoll_secret_[0-9a-f]{48}$/)
  await done(post('/v1/egress/allowlist', { host: ADDRESS, effect: 'allow', ports: [port], resource_id: id }))
  assert.equal(await fetched('/secret'), '200')
  assert.deepEqual(heard.at(-1), `GET /secret ${placeholder}`)
})

// A daemon that forgot what is allowed would let nothing out, or everything.
test('a daemon that was killed goes on with the last word, also with one that came while it was gone', async () => {
  await daemon.signal('SIGKILL')
  const lockdown = { mode: 'enforce', default_effect: 'deny', resource_id: id }
  await done(region.ask('/v1/egress/policies', { method: 'PATCH', body: lockdown }))
  const denied = { host: ADDRESS, effect: 'deny', ports: [port], path_glob: '/no/**', resource_id: id }
  await done(post('/v1/egress/allowlist', denied))
  await daemon.launch()
  await until('the host to go by it', async () => (await fetched('/no/more')) === '403')
  assert.equal(await fetched('/still'), '200')
})
