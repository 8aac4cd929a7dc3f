/** Where requests go: every way of naming a region, and what happens when none is named. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { newId } from '../../../shared/ids.ts'
import { aSandboxIn, CALIFORNIA, EUROPE, errorOf, post, type Stage, setStage } from './stage/edge-stage.ts'

const RUN = '/v1/sandboxes/run'
const regionOf = async (answer: Promise<Response>): Promise<string | null> => (await answer).headers.get('x-region')
const callsOf = ({ usw1, eu1 }: Stage): number => usw1.received.length + eu1.received.length

test('a new sandbox goes to the region nearest to where the client is', async (t) => {
  const { ask } = await setStage(t)
  assert.equal(await regionOf(ask(RUN, { ...post({}), cf: EUROPE })), 'eu1')
  assert.equal(await regionOf(ask(RUN, { ...post({}), cf: CALIFORNIA })), 'usw1')
  assert.equal(await regionOf(ask(RUN, { ...post({}), cf: { continent: 'AF' } })), 'eu1')
  assert.equal(await regionOf(ask(RUN, { ...post({}), cf: {} })), 'usw1')
})

test('a continent that the client made up in a header steers nothing', async (t) => {
  const { ask } = await setStage(t)
  const spoofed = post({}, { 'cf-ipcontinent': 'EU' })
  assert.equal(await regionOf(ask(RUN, { ...spoofed, cf: {} })), 'usw1')
})

test('a continent that a proxy of ours vouches for steers, and what Cloudflare itself says is stronger', async (t) => {
  const { ask } = await setStage(t, { vars: { TRUSTED_PROXY: 'true' } })
  const vouched = post({}, { 'cf-ipcontinent': 'EU' })
  assert.equal(await regionOf(ask(RUN, { ...vouched, cf: {} })), 'eu1')
  assert.equal(await regionOf(ask(RUN, { ...vouched, cf: { continent: 'NA' } })), 'usw1')
  assert.equal(await regionOf(ask(RUN, { ...post({}, { 'cf-ipcontinent': 'Mars' }), cf: {} })), 'usw1')
})

test('X-Region is obeyed by code, by name, as a list and with "any"', async (t) => {
  const { ask } = await setStage(t)
  for (const said of ['eu1', 'eu', 'EU', 'eu, us-west', 'eu,any', 'eu,eu1,eu']) {
    assert.equal(await regionOf(ask(RUN, post({}, { 'x-region': said }))), 'eu1', said)
  }
  assert.equal(await regionOf(ask(RUN, post({}, { 'x-podflare-region': 'eu' }))), 'eu1')
  assert.equal(await regionOf(ask(RUN, post({}, { 'x-region': 'any' }))), 'usw1')
})

test('a sandbox that goes on from a snapshot is made where the snapshot is', async (t) => {
  const { ask } = await setStage(t)
  for (const code of ['usw1', 'eu1']) {
    const snapshot_id = newId('snap', code, Date.now(), randomBytes(16))
    for (const path of ['/v1/sandboxes', RUN]) {
      assert.equal(await regionOf(ask(path, { ...post({ snapshot_id, region: 'us-west' }), cf: CALIFORNIA })), code)
    }
    assert.equal(await regionOf(ask(`/v1/snapshots/${snapshot_id}/fork`, post({}))), code)
    assert.equal(await regionOf(ask(`/v1/snapshots/${snapshot_id}`, {})), code)
    assert.equal(await regionOf(ask(`/v1/spaces/${newId('spc', code, 1, randomBytes(16))}/open`, post({}))), code)
  }
  assert.equal(await regionOf(ask(RUN, { ...post({ snapshot_id: 'snap_eu1_x' }), cf: CALIFORNIA })), 'usw1')
})

test('an unknown region is refused with the valid ones, and no region hears of it', async (t) => {
  const stage = await setStage(t)
  const answer = await stage.ask(RUN, post({}, { 'x-region': 'mars' }))
  assert.equal(answer.status, 400)
  const error = await errorOf(answer)
  assert.equal(error.code, 'unknown_region')
  assert.deepEqual(error.details?.regions, [
    { code: 'usw1', name: 'us-west' },
    { code: 'eu1', name: 'eu' },
  ])
  const long = await stage.ask(RUN, post({}, { 'x-region': 'eu,'.repeat(100) }))
  assert.equal((await errorOf(long)).code, 'invalid_header')
  assert.equal(callsOf(stage), 0)
})

test('a prefix names a region and is not forwarded', async (t) => {
  const { ask, eu1 } = await setStage(t)
  assert.equal(await regionOf(ask('/r/eu/api/v1/sandboxes/run?x=1', post({}))), 'eu1')
  assert.equal(eu1.received[0]?.url, '/api/v1/sandboxes/run?x=1')
  assert.equal((await ask('/r/mars/v1/sandboxes', {})).status, 400)
})

test('the body of a create may name a region, and "auto" names none', async (t) => {
  const { ask } = await setStage(t)
  assert.equal(await regionOf(ask('/v1/sandboxes', post({ region: 'eu' }))), 'eu1')
  assert.equal(await regionOf(ask('/v1/sandboxes', post({ region: 'auto' }))), 'usw1')
  assert.equal(await regionOf(ask('/v1/sandboxes', post({ region: 'eu' }, { 'x-region': 'us-west' }))), 'usw1')
  assert.equal((await ask('/v1/sandboxes', post({ region: 'mars' }))).status, 400)
})

test("a key's pin decides when the request says nothing", async (t) => {
  const { ask } = await setStage(t, { key: { pin: 'eu1' } })
  assert.equal(await regionOf(ask(RUN, post({}))), 'eu1')
  assert.equal(await regionOf(ask(RUN, post({}, { 'x-region': 'us-west' }))), 'usw1')
})

test('an id goes where it says, and a region that contradicts it is refused', async (t) => {
  const stage = await setStage(t)
  const id = aSandboxIn('eu1')
  assert.equal(await regionOf(stage.ask(`/v1/sandboxes/${id}`)), 'eu1')
  assert.equal(await regionOf(stage.ask(`/v1/sandboxes/${id}/a/route/of/the/future`, post({}))), 'eu1')
  assert.equal(await regionOf(stage.ask(`/v1/sandboxes/${id}`, { headers: { 'x-region': 'us-west,any' } })), 'eu1')
  const calls = callsOf(stage)
  const answer = await stage.ask(`/v1/sandboxes/${id}`, { headers: { 'x-region': 'us-west' } })
  assert.equal(answer.status, 400)
  assert.equal((await errorOf(answer)).code, 'region_mismatch')
  assert.equal(callsOf(stage), calls)
})

test('a mistyped id and an id of no region are not found without asking anybody', async (t) => {
  const stage = await setStage(t)
  const good = aSandboxIn('eu1')
  const mistyped = good.slice(0, -1) + (good.endsWith('z') ? 'y' : 'z')
  for (const id of [mistyped, aSandboxIn('mars1'), 'sbx_x']) {
    const answer = await stage.ask(`/v1/sandboxes/${id}/exec`, post({ command: 'true' }))
    assert.equal(answer.status, 404)
    assert.equal((await errorOf(answer)).code, 'sandbox_not_found')
  }
  assert.equal(callsOf(stage), 0)
})

test('a draining region keeps its sandboxes and gets no new ones', async (t) => {
  const { ask } = await setStage(t, {
    registry: (registry) => ({
      ...registry,
      regions: registry.regions.map((region) =>
        region.code === 'usw1' ? { ...region, status: 'draining' as const } : region,
      ),
    }),
  })
  assert.equal(await regionOf(ask(RUN, post({}))), 'eu1')
  assert.equal(await regionOf(ask(`/v1/sandboxes/${aSandboxIn('usw1')}`)), 'usw1')
  const pinned = await ask(RUN, post({}, { 'x-region': 'us-west' }))
  assert.equal(pinned.status, 503)
  assert.match((await errorOf(pinned)).message, /us-west/)
})

test('a region without room for the size is left out, and an old record is not read as full', async (t) => {
  const full = { region: 'usw1', seq: 1, accepting: true, draining: false, pool: {}, running: 9, paused: 0, load: 0.5 }
  const { ask } = await setStage(t, {
    seed: (edge) => edge.putKv('CAPACITY', 'c:usw1', { ...full, ts: Date.now(), free: { xl: 0, small: 3 } }),
  })
  assert.equal(await regionOf(ask(RUN, post({ size: 'xl' }))), 'eu1')
  assert.equal(await regionOf(ask(RUN, post({ size: 'small' }))), 'usw1')
  const old = await setStage(t, {
    seed: (edge) => edge.putKv('CAPACITY', 'c:usw1', { ...full, ts: Date.now() - 200_000, free: { xl: 0 } }),
  })
  assert.equal(await regionOf(old.ask(RUN, post({ size: 'xl' }))), 'usw1')
})

test('what no contract knows is passed on: with an id to its region, without one to the home region', async (t) => {
  const { ask, usw1 } = await setStage(t)
  assert.equal(await regionOf(ask('/v1/spaces/new-thing?a=b%2Fc', { ...post({ a: 1 }), cf: EUROPE })), 'usw1')
  assert.equal(usw1.received[0]?.url, '/v1/spaces/new-thing?a=b%2Fc')
  assert.equal(usw1.received[0]?.body.toString(), '{"a":1}')
  const nowhere = await ask('/metrics')
  assert.equal(nowhere.status, 404)
  assert.equal((await errorOf(nowhere)).code, 'route_not_found')
})

// The page asks people for a key, so nothing that they send may reach more than it must.
test('the document and its page need no key, pass none on, and come from any region that answers', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  for (const path of ['/docs', '/docs/page.js', '/v1/openapi.json', '/api/v1/openapi.json']) {
    const answer = await ask(`${path}?a=b`, { headers: { cookie: 'a=b', 'x-region': 'eu' } })
    assert.equal(answer.status, 200, path)
    assert.equal(usw1.received.at(-1)?.url, path)
    assert.deepEqual(
      ['authorization', 'cookie', 'x-edge-token'].filter((name) => usw1.received.at(-1)?.headers[name]),
      [],
    )
  }
  await usw1.refuse()
  const other = await ask('/docs', { key: null })
  assert.deepEqual([other.status, other.headers.get('x-region')], [200, 'eu1'])
  await eu1.refuse()
  assert.equal((await errorOf(await ask('/docs', { key: null }))).code, 'region_unavailable')
})

test('HEAD, OPTIONS and browsers of other origins are served', async (t) => {
  const { ask, usw1 } = await setStage(t)
  const head = await ask(`/v1/sandboxes/${aSandboxIn('usw1')}`, {
    method: 'HEAD',
    headers: { origin: 'https://a.example' },
  })
  assert.equal(head.status, 200)
  assert.equal(await head.text(), '')
  assert.equal(head.headers.get('access-control-allow-origin'), '*')
  assert.equal(usw1.received[0]?.method, 'HEAD')
  const preflight = await ask(RUN, {
    method: 'OPTIONS',
    key: null,
    headers: { 'access-control-request-headers': 'authorization' },
  })
  assert.equal(preflight.status, 204)
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /authorization/)
  for (const path of ['/healthz', '/v1/healthz', '/api/v1/healthz']) {
    assert.equal((await ask(path, { key: null })).status, 200, path)
  }
})
