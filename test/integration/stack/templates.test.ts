/** A region and a real host: a template is built in a machine, and machines that are made of it go on from what it was, its service running. */
import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import http from 'node:http'
import https from 'node:https'
import { after, before, test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { privateRangeOf } from '../../../shared/public-address.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { embedded, type TestServer } from '../controller/support/databases.ts'
import { type Answer, at, startRegion, type TestRegion, textAt, until } from '../controller/support/region.ts'

const MACHINE = { vcpu: 1, memoryMib: 512, diskMib: 1_024 }
const BUILD_MS = 120_000
const ENDED = new Set(['ready', 'failed', 'cancelled'])

let server: TestServer
let region: TestRegion
let daemon: Daemon

before(async () => {
  server = await embedded.open()
  daemon = await Daemon.start()
  const env = { ATOLL_HOSTS: `real=unix:${daemon.directory}/hostd.sock` }
  region = await startRegion(await server.createDatabase(), { env })
})
after(async () => {
  await region?.close()
  await daemon?.stop()
  await server?.remove()
})

const post = (path: string, body: object = {}): Promise<Answer> => region.ask(path, { method: 'POST', body })
const made = (answer: Answer): string => {
  assert.ok(answer.status < 300, answer.text)
  return textAt(answer.json, 'data', 'id')
}
const said = async (id: string, command: string): Promise<string> => {
  const answer = await post(`/v1/sandboxes/${id}/exec`, { command })
  assert.equal(answer.status, 200, answer.text)
  return textAt(answer.json, 'data', 'stdout').trim()
}
const begin = async (template: string, steps: string[]): Promise<string> =>
  made(await post(`/v1/sandbox-templates/${template}/builds`, { build_spec: specOf(steps) }))
const read = async (build: string): Promise<unknown> =>
  at((await region.ask(`/v1/sandbox-template-builds/${build}`)).json, 'data')
const ended = async (build: string): Promise<unknown> => {
  let record: unknown
  await until(
    'the end of the build',
    async () => {
      record = await read(build)
      return ENDED.has(textAt(record, 'state')) && at(record, 'sandbox_id') === null
    },
    BUILD_MS,
  )
  return record
}
const statesOf = (record: unknown) => (at(record, 'steps') as unknown[]).map((step) => at(step, 'state'))

const specOf = (steps: string[]) => ({
  ...MACHINE,
  files: [
    { path: '/opt/tool/bin/greet', content: '#!/bin/sh\necho "hello $WHO"\n', mode: '755' },
    { path: '/srv/raw', contentBase64: 'AP8K', user: 'root' },
  ],
  env: { WHO: 'atoll' },
  workdir: '/app',
  steps: steps.map((run) => ({ run })),
  startCmd: 'while :; do date +%s%N > /dev/shm/beat; sleep 0.2; done',
  readyCmd: 'test -s /dev/shm/beat',
})

test('what was built is there in every machine that is made of it: files, environment, and what was started', async () => {
  made(await post('/v1/sandbox-templates', { name: 'tool' }))
  const record = await ended(
    await begin('tool', ['/opt/tool/bin/greet > greeting', 'sudo touch /etc/by-root; id -un >> greeting']),
  )
  assert.equal(at(record, 'state'), 'ready', JSON.stringify(at(record, 'error')))
  assert.deepEqual(statesOf(record), ['done', 'done', 'done', 'done'])
  assert.ok(Number(at(record, 'size_bytes')) > 0)
  assert.deepEqual((await daemon.inventory()).vms, [])

  const created = await post('/v1/sandboxes', { template_id: 'tool' })
  const id = made(created)
  assert.deepEqual([at(created.json, 'data', 'template_id'), at(created.json, 'data', 'memory_mb')], ['tool', 512])
  assert.equal(
    await said(id, 'pwd; tr "\\n" " " < greeting; ls -d /etc/by-root'),
    '/app\nhello atoll sandbox /etc/by-root',
  )
  assert.equal(
    await said(id, '/opt/tool/bin/greet; od -An -tx1 /srv/raw; stat -c %U:%a /srv/raw'),
    'hello atoll\n 00 ff 0a\nroot:644',
  )
  const processes = await region.ask(`/v1/sandboxes/${id}/processes`)
  assert.deepEqual(
    (at(processes.json, 'data') as unknown[]).map((one) => [at(one, 'name'), at(one, 'status')]),
    [['start', 'running']],
  )
  const beat = Number(await said(id, 'cat /dev/shm/beat'))
  await until('the service to go on', async () => Number(await said(id, 'cat /dev/shm/beat')) > beat, BUILD_MS)
  assert.equal((await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })).status, 204)
})

test('a step that fails says what it printed; what was done before it is not done again', async () => {
  const failed = await ended(
    await begin('tool', [
      '/opt/tool/bin/greet > greeting',
      'echo about to fail; echo badly >&2; false; echo unreached',
    ]),
  )
  assert.deepEqual(statesOf(failed), ['cached', 'cached', 'cached', 'failed'])
  assert.deepEqual(
    ['code', 'step', 'exit_code'].map((field) => at(failed, 'error', field)),
    ['step_failed', 4, 1],
  )
  assert.deepEqual(textAt(failed, 'error', 'output').trim().split('\n').sort(), ['about to fail', 'badly'])
  await until('nothing to be left', async () => (await daemon.inventory()).vms.length === 0, BUILD_MS)
})

const PROBE_MS = 3_000

/** As a sandbox would reach it: by a name that has a public address, trusting those that everybody trusts. Why not, if not. */
async function whyAway(url: string): Promise<string | undefined> {
  const { hostname, protocol } = new URL(url)
  const found = await lookup(hostname).catch(() => undefined)
  if (found === undefined) return `${hostname} has no address on this machine`
  if (privateRangeOf(found.address) !== null) return `${hostname} is at ${found.address} here, where no sandbox may go`
  const { get } = protocol === 'https:' ? https : http
  return new Promise((resolve) => {
    const options = { ca: [...rootCertificates], signal: AbortSignal.timeout(PROBE_MS) }
    const away = (): void => resolve(`${hostname} cannot be reached from this machine`)
    get(url, options, (response) => (response.destroy().statusCode === 200 ? resolve(undefined) : away())).once(
      'error',
      away,
    )
  })
}

for (const { manager, name, probe, command } of [
  {
    manager: 'apt',
    name: 'jq',
    probe: 'http://deb.debian.org/debian/dists/stable/InRelease',
    command: 'jq --version',
  },
  {
    manager: 'npm',
    name: 'left-pad',
    probe: 'https://registry.npmjs.org/left-pad',
    command: 'npm ls --global left-pad',
  },
])
  test(`packages of ${manager} are installed through the way out that a build has for them`, {
    timeout: 2 * BUILD_MS,
  }, async (t) => {
    const why = await whyAway(probe)
    if (why !== undefined) return t.skip(why)
    made(await post('/v1/sandbox-templates', { name: `with ${manager}` }))
    const build_spec = { ...MACHINE, packages: { [manager]: [name] }, steps: [{ run: command }] }
    const record = await ended(made(await post(`/v1/sandbox-templates/with-${manager}/builds`, { build_spec })))
    assert.equal(at(record, 'state'), 'ready', JSON.stringify(at(record, 'error')))
  })
