/** The home region, a region that follows it and the real edge together: what is said at home holds everywhere, in seconds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_TIERS, SCOPES } from '../../../shared/accounts.ts'
import { at, OPERATOR, textAt, until } from '../controller/support/region.ts'
import { setHomeStage } from './stage/home-and-follower.ts'

test('a key made through the edge works in every region, its tokens and tickets too, and all end together', async (t) => {
  const { home, eu1, ask } = await setHomeStage(t)
  const region = 'eu'
  const made = await ask('/v1/api-keys', home.key, { method: 'POST', body: { scopes: [...SCOPES] }, region })
  assert.deepEqual([made.status, made.headers.get('x-region')], [201, 'usw1'], made.text)
  const [id, key] = [textAt(made.json, 'data', 'id'), textAt(made.json, 'data', 'key')]
  // At once: the edge asks the home, and the region believes the edge.
  assert.equal((await ask('/v1/sandboxes', key, { region })).status, 200)
  await until('the follower to know the key', async () => (await eu1.ask('/v1/sandboxes', { key })).status === 200)
  const sandbox = await ask('/v1/sandboxes', key, { method: 'POST', body: {}, region })
  assert.equal(sandbox.status, 201, sandbox.text)
  const path = `/v1/sandboxes/${textAt(sandbox.json, 'data', 'id')}`

  const minted = await ask('/v1/tokens', key, { method: 'POST', body: { scopes: ['sandboxes:read'] } })
  const token = textAt(minted.json, 'data', 'token')
  assert.equal((await ask(path, token)).status, 200)
  assert.equal((await eu1.ask(path, { key: token })).status, 200)
  assert.equal((await ask(path, token, { method: 'DELETE' })).status, 403)
  const ticket = textAt((await ask('/v1/auth/sse-ticket', token, { method: 'POST', body: {} })).json, 'ticket')
  const stream = new URL(`${path}/readiness/stream?ticket=${ticket}`, eu1.url)
  for (const status of [200, 401]) {
    const opened = await fetch(stream)
    assert.equal(opened.status, status, await opened.text())
  }
  assert.equal((await ask(`/v1/api-keys/${id}`, home.key, { method: 'DELETE' })).status, 204)
  await until('the key and its token to end everywhere', async () => {
    const statuses = await Promise.all([
      ask('/v1/sandboxes', key),
      ask(path, token),
      ask('/v1/sandboxes', key, { method: 'POST', body: {}, region }),
      eu1.ask(path, { key: token }),
      eu1.ask('/v1/sandboxes', { key }),
    ])
    return statuses.every(({ status }) => status === 401)
  })
})

// What a record promises of a key must hold by every way, not only by the one on which it is easy to count.
test('a key is held to its own rate, by the edge and directly together', async (t) => {
  const { home, ask } = await setHomeStage(t)
  const body = { scopes: ['sandboxes:read'], limits: { rate_limit_rpm: 1 } }
  const made = await home.ask('/v1/api-keys', { method: 'POST', body })
  assert.equal(at(made.json, 'data', 'rate_limit_rpm'), 1)
  const key = textAt(made.json, 'data', 'key')
  const viaEdge = () => ask('/v1/sandboxes', key, { region: 'us-west' })
  assert.equal((await viaEdge()).status, 200)
  for (const refused of [await viaEdge(), await home.ask('/v1/sandboxes', { key })]) {
    assert.deepEqual([refused.status, textAt(refused.json, 'error', 'code')], [429, 'rate_limit_exceeded'])
    assert.equal(refused.headers.get('ratelimit-policy'), '"requests";q=1;w=60')
    assert.ok(Number(refused.headers.get('retry-after')) >= 1)
  }
})

test('tiers, suspensions and rotated secrets reach the edge by themselves', async (t) => {
  const { edge, home, ask } = await setHomeStage(t)
  const operate = (method: string, path: string, body: object) => home.ask(path, { method, body, key: OPERATOR })
  const tenant = textAt((await operate('POST', '/v1/admin/tenants', { name: 'x', tier: 'free' })).json, 'data', 'id')
  const made = await operate('POST', `/v1/admin/tenants/${tenant}/keys`, { scopes: [...SCOPES] })
  const key = textAt(made.json, 'data', 'key')
  const hash = home.running.controller.accounts.secrets.hashKey(key)
  const record = async () => edge.readKv('KEYS', `k:${hash}`)
  await until('the key in KV', async () => at(await record(), 'tier') === 'free')
  await operate('PATCH', `/v1/admin/tenants/${tenant}`, { tier: 'pro', status: 'suspended' })
  await until('the suspension in KV', async () => at(await record(), 'status') === 'revoked')
  assert.equal((await ask('/v1/sandboxes', key)).status, 401)
  await operate('PATCH', `/v1/admin/tenants/${tenant}`, { status: 'active' })
  await until('its end in KV', async () => at(await record(), 'status') === 'active')
  assert.equal(at(await record(), 'tier'), 'pro')
  await operate('PUT', '/v1/admin/tiers/pro', { ...DEFAULT_TIERS.pro, concurrency: 7 })
  await until('the tier in KV', async () => at(await edge.readKv('CONFIG', 'tiers:v1'), 'pro', 'concurrency') === 7)
  const rotated = await home.ask(`/v1/api-keys/${textAt(made.json, 'data', 'id')}/rotate`, {
    method: 'POST',
    key,
    body: {},
  })
  const second = textAt(rotated.json, 'data', 'key')
  await until(
    'the end of the old secret in KV',
    async () => Number(at(await record(), 'expires') ?? Infinity) <= Date.now(),
  )
  assert.deepEqual([(await ask('/v1/sandboxes', key)).status, (await ask('/v1/sandboxes', second)).status], [401, 200])
})
