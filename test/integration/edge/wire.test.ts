/** Clients of other servers work unmodified by changing their base URL: to a region, to the edge, and to a region through the edge. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { sandboxRecord } from '../../../shared/contracts/sandbox-records.ts'
import { isSignedBy, startReceiver } from '../controller/support/receiver.ts'
import { at, textAt, until } from '../controller/support/region.ts'
import { type HomeStage, setHomeStage } from './stage/home-and-follower.ts'
import { type WireClient, WireError, wireClient } from './stage/wire-client.ts'

type Story = (client: WireClient, stage: HomeStage) => Promise<void>

test('clients in the field work by changing their base URL', async (t) => {
  const stage = await setHomeStage(t)
  const { home, eu1, edge, ask } = stage
  await until(
    'the follower to know the key',
    async () => (await eu1.ask('/v1/sandboxes', { key: home.key })).status === 200,
  )
  await until('the edge to know the key', async () => (await ask('/v1/sandboxes', home.key)).status === 200)
  const bases = {
    'of a region': `${home.url}/api/v1`,
    'of the edge': `${edge.url.origin}/api/v1/`,
    'of a region through the edge': `${edge.url.origin}/r/eu/api/v1`,
  }
  for (const [where, base] of Object.entries(bases))
    for (const [story, tell] of Object.entries(STORIES))
      await t.test(`${story}, at the address ${where}`, () => tell(wireClient(base, home.key), stage))
  for (const [where, base] of Object.entries({ 'of a region': home.url, 'of the edge': edge.url.origin }))
    await t.test(`those of Podflare create and destroy, at the address ${where}`, () =>
      tellPodflare(`${base}/podflare`, home.key),
    )
})

const refusal = (status: number, code: string) => (thrown: unknown) =>
  thrown instanceof WireError &&
  thrown.status === status &&
  thrown.code === code &&
  String(thrown.requestId).startsWith('req_')

const useSandbox: Story = async (client) => {
  const name = `ci ${randomUUID()}/42`
  const made = await client.create({
    name,
    size: 'small',
    persistent: true,
    timeout_sec: 300,
    idle_timeout_sec: 0,
    always_on: false,
    allow_provision: true,
    env: { A: 'x' },
    metadata: { miosa_persistent: true, keep_last_snapshots: 2, miosa_workspace_kind: 'agent_workspace' },
    services: [],
    region: 'auto',
    tags: [name, 'b'],
    skip_agent_runtime_profile: true,
    project_slug: 'p',
    external_user_id: 'u1',
    response_format: 'compact',
    wait: true,
    an_option_of_tomorrow: { a: 1 },
  })
  const record = sandboxRecord.parse(made.record())
  assert.deepEqual(
    [record.state, record.ready, record.timeout_sec, record.persistent, record.external_user_id],
    ['running', true, 300, true, 'u1'],
  )
  assert.match(record.id, /^[A-Za-z0-9_-]+$/)
  assert.equal(textAt(await made.exec('echo hello'), 'stdout'), 'hello\n')
  assert.equal(await made.waitUntilReady(), true)
  assert.deepEqual(await made.read('readiness'), { ready: true, status: 'ready' })

  assert.equal((await client.getOrCreate(name)).id, made.id)
  assert.equal((await client.connect(made.id)).id, made.id)
  const listed = await client.list(`?state=running&tags=${encodeURIComponent(`${name},b`)}&external_user_id=u1`)
  assert.deepEqual(
    listed.map(({ id }) => id),
    [made.id],
  )
  assert.equal((await made.pause()).state, 'paused')
  assert.equal(textAt(await made.exec('echo awake'), 'stdout'), 'awake\n', 'a paused one wakes by itself')
  assert.equal((await made.refresh()).state, 'running')
  await made.pause()
  assert.equal((await made.resume(randomUUID())).state, 'running')
  assert.ok(Number((await made.extend(900)).timeout_remaining_ms) > 890_000)
  assert.equal((await made.extend()).state, 'running')
  const updated = await made.update({ metadata: { b: 1 }, timeout_sec: 600 })
  assert.deepEqual([updated.metadata, updated.timeout_sec], [{ ...record.metadata, b: 1 }, 600])
  assert.deepEqual((await made.setTags(['q'])).tags, ['q'])
  const usage = await made.read('usage')
  assert.deepEqual([textAt(usage, 'sandbox_id'), typeof at(usage, 'runtime_sec')], [made.id, 'number'])
  assert.equal(at(await made.read('metrics?window=1h'), 'current', 'memory_mb'), record.memory_mb)
  assert.ok(Array.isArray(at(await made.read('logs?lines=100'), 'lines')))
  assert.deepEqual(await made.read('artifacts'), { artifacts: {} })

  await made.destroy()
  await assert.rejects(made.refresh(), refusal(404, 'sandbox_not_found'))
  const other = await client.getOrCreate(name)
  assert.notEqual(other.id, made.id)
  await other.destroy()
}

const createOnce: Story = async (client) => {
  const key = randomUUID()
  const first = await client.create({ tags: ['once'] }, key)
  assert.equal((await client.create({ tags: ['once'] }, key)).id, first.id)
  await assert.rejects(client.create({ tags: ['other'] }, key), refusal(422, 'idempotency_key_reused'))
  await first.destroy()
  const wrong: [object, number, string][] = [
    [{ template_id: 'nothing' }, 422, 'template_not_found'],
    [{ timeout_sec: 0 }, 422, 'invalid_request'],
    [{ region: 'mars' }, 400, 'unknown_region'],
    [{ workspace_slug: 'nobody' }, 422, 'workspace_not_found'],
  ]
  for (const [options, status, code] of wrong) await assert.rejects(client.create(options), refusal(status, code))
  await assert.rejects(client.connect('sbx_usw1_mistyped'), refusal(404, 'sandbox_not_found'))
  await assert.rejects(client.connect(randomUUID()), refusal(404, 'sandbox_not_found'))
  await assert.rejects(client.ask('GET', '/mcp'), refusal(404, 'route_not_found'))
}

const followEvents: Story = async (client) => {
  const made = await client.create()
  const placeOf = async (type: string): Promise<string> => {
    const history = await made.read('history')
    const found = Array.isArray(history) ? history.find((one) => at(one, 'type') === type) : undefined
    return textAt(found, 'id')
  }
  const heard: string[] = []
  const events = made.events(await placeOf('sandbox.running'))
  await made.pause()
  heard.push(textAt((await events.next()).value, 'type'))
  await events.return(undefined)
  await made.resume()
  await made.destroy()
  for await (const event of made.events(await placeOf('sandbox.paused'))) {
    assert.deepEqual([textAt(event, 'sandbox_id'), typeof at(event, 'ts')], [made.id, 'string'])
    heard.push(textAt(event, 'type'))
  }
  assert.deepEqual(heard, ['sandbox.paused', 'sandbox.provisioning', 'sandbox.resumed', 'sandbox.destroyed'])
  for (const path of ['/auth/sse-ticket', '/sse/ticket'])
    assert.match(textAt(await client.ask('POST', path, { body: {} }), 'ticket'), /^sset_/)
}

const manageKeys: Story = async (client, { home }) => {
  const once = { body: { name: 'ci', scopes: ['sandboxes:read'], key_type: 'user' }, idempotencyKey: randomUUID() }
  const made = await client.ask('POST', '/api-keys', once)
  assert.deepEqual(await client.ask('POST', '/api-keys', once), made)
  assert.equal(textAt(made, 'key'), textAt(made, 'token'))
  const scoped = await client.ask('POST', '/api-keys/scoped', {
    body: { external_user_id: 'u1', scopes: ['sandboxes:read'], expires_at: '2099-01-01T00:00:00Z' },
  })
  assert.deepEqual([textAt(scoped, 'external_user_id'), textAt(scoped, 'status')], ['u1', 'active'])
  const listed = await client.ask('GET', '/api-keys')
  assert.ok(Array.isArray(listed) && !JSON.stringify(listed).includes(textAt(made, 'key')))
  await client.ask('DELETE', `/api-keys/${textAt(made, 'id')}`)
  const limit = '/quotas/external/u%2F1'
  assert.deepEqual(await client.ask('PUT', limit, { body: { concurrency: 2 } }), {
    external_user_id: 'u/1',
    concurrency: 2,
  })
  await client.ask('DELETE', limit)
  assert.equal(textAt(await client.ask('GET', limit), 'concurrency'), 'null')

  assert.equal(typeof at(await client.ask('GET', '/usage/summary'), 'running_seconds'), 'number')
  assert.ok(Array.isArray(await client.ask('GET', '/usage/sessions')))
  assert.equal(typeof at(await client.askRaw('GET', '/credits/usage'), 'cost'), 'number')
  const balance = await client.askRaw('GET', '/credits/balance')
  assert.deepEqual([typeof at(balance, 'balance'), at(balance, 'expires_at')], ['number', null])
  assert.deepEqual(await client.ask('GET', '/credits/transactions?page=1&per_page=20'), [])
  for (const list of ['regions', 'sizes', 'templates'])
    assert.ok(Array.isArray(await client.ask('GET', `/compute/${list}`)), list)
  for (const one of ['catalog', 'pricing']) assert.equal(typeof (await client.ask('GET', `/compute/${one}`)), 'object')
  assert.equal(typeof at(await client.ask('GET', '/runtime-capabilities'), 'version'), 'number')
  const [account] = await home.sql<{ tier: string }>('select tier from tenant limit 1')
  assert.equal(textAt(await client.ask('GET', '/tenant/plan'), 'tier'), account?.tier)
}

const tryWebhook: Story = async (client, { eu1, home }) => {
  const receiver = await startReceiver()
  try {
    const body = { url: receiver.url, events: ['sandbox.ready', 'deployment.*'], name: 'ours', headers: { 'X-A': 'b' } }
    const made = await client.ask('POST', '/webhooks', { body, idempotencyKey: randomUUID() })
    const path = `/webhooks/${textAt(made, 'id')}`
    const tested = await client.ask('POST', `${path}/test`, { idempotencyKey: randomUUID() })
    assert.deepEqual([at(tested, 'delivered'), at(tested, 'status')], [true, 200])
    await until('the follower to know the webhook', async () => {
      return (await eu1.ask(`/v1${path}`, { key: home.key })).status === 200
    })
    await (await client.create()).destroy()
    for (const one of await receiver.take(2)) assert.ok(isSignedBy(textAt(made, 'secret'), one))
    assert.deepEqual(
      receiver.received.map(({ json }) => json.type),
      ['webhook.test', 'sandbox.ready'],
    )
    const delivered = async () => JSON.stringify(await client.ask('GET', `${path}/deliveries`))
    await until('it to be written down', async () => (await delivered()).includes('"type":"sandbox.ready"'))
    assert.equal(at(await client.ask('PATCH', path, { body: { active: false } }), 'active'), false)
    assert.ok(Array.isArray(await client.ask('GET', '/webhooks?limit=10')))
    await client.ask('DELETE', path)
    await assert.rejects(client.ask('GET', path), refusal(404, 'not_found'))
  } finally {
    receiver.close()
  }
}

async function tellPodflare(host: string, key: string): Promise<void> {
  const ask = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const sent = await fetch(`${host}/v1${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: sent.status, text: await sent.text() }
  }
  assert.deepEqual(await ask('GET', '/healthz'), { status: 200, text: 'ok' })
  const made = await ask('POST', '/sandboxes', { template: 'python-datasci', persistent: true, egress: false })
  const { id, state } = JSON.parse(made.text)
  assert.deepEqual([made.status, state], [200, 'ready'])
  assert.deepEqual(await ask('DELETE', `/sandboxes/${id}`), { status: 204, text: '' })
  assert.deepEqual(await ask('DELETE', `/sandboxes/${id}`), { status: 404, text: '{"error":"sandbox not found"}' })
  assert.deepEqual([(await ask('POST', '/sandboxes', { template: 'none' })).status], [400])
}

const STORIES: Record<string, Story> = {
  'a sandbox is created, used, paused, woken, found, changed and destroyed': useSandbox,
  'the same key creates once, and whatever is wrong is refused at once and by its own code': createOnce,
  'events of a sandbox are followed, and gone on with where a stream broke off': followEvents,
  'keys are made, narrowed, listed and deleted, and what is used is told': manageKeys,
  'webhooks are made, tried, read and removed, and what they deliver is proven': tryWebhook,
}
