/** The registry of regions while it is changed: nobody is stranded by a mistake, and a new region needs no new deployment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../shared/limits.ts'
import { REGISTRY_PATH, type Region, type RegionRegistry } from '../../../shared/regions.ts'
import { CALIFORNIA, errorOf, INTERNAL_TOKEN, post, type Stage, setStage } from './stage/edge-stage.ts'
import { answerEcho, answerJson, type FakeRegion, startFakeRegion } from './stage/fake-region.ts'

const RUN = '/v1/sandboxes/run'
const SYDNEY = { continent: 'OC', latitude: '-33.9', longitude: '151.2' }

const read = async ({ ask }: Stage): Promise<RegionRegistry> =>
  (await (
    await ask(REGISTRY_PATH, { key: null, headers: { authorization: `Bearer ${INTERNAL_TOKEN}` } })
  ).json()) as RegionRegistry

const put = ({ ask }: Stage, registry: unknown, token = INTERNAL_TOKEN): Promise<Response> =>
  ask(REGISTRY_PATH, {
    method: 'PUT',
    key: null,
    body: JSON.stringify(registry),
    headers: { authorization: `Bearer ${token}` },
  })

/** Says what is free like a region, and answers everything else with its code. */
function answerAsRegion(region: FakeRegion, code = region.code): void {
  const echo = answerEcho(region.code)
  region.respond((received, response, request) => {
    if (received.url !== '/v1/capacity') return echo(received, response, request)
    const room = { accepting: true, draining: false, free: { small: 5 }, pool: {}, running: 0, paused: 0, load: 0 }
    answerJson(response, 200, { region: code, ts: 1, seq: 1, ...room })
  })
}

const aRegionAt = (url: string): Region => ({
  code: 'ap1',
  name: 'sydney',
  status: 'active',
  url,
  directUrl: url,
  lat: -33.9,
  lon: 151.2,
  continents: ['OC'],
  weight: 1,
  failover: ['usw1'],
})

test('a region is added, drained, taken down and removed while the edge serves, each followed without a deployment', async (t) => {
  const stage = await setStage(t)
  const sydney = await startFakeRegion('ap1')
  t.after(() => sydney.stop())
  answerAsRegion(sydney)
  const regionOf = async (x?: string) =>
    (await stage.ask(RUN, { ...post({}, x === undefined ? {} : { 'x-region': x }), cf: SYDNEY })).headers.get(
      'x-region',
    )
  assert.equal(await regionOf(), 'usw1')
  let registry = await read(stage)
  const change = async (regions: Region[]): Promise<void> => {
    const answer = await put(stage, { ...registry, version: registry.version + 1, regions })
    assert.equal(answer.status, 200, await answer.clone().text())
    registry = (await answer.json()) as RegionRegistry
  }
  await change([...registry.regions, aRegionAt(sydney.url)])
  assert.equal(await regionOf(), 'ap1')
  const withStatus = (status: Region['status']) =>
    registry.regions.map((region) => (region.code === 'ap1' ? { ...region, status } : region))
  await change(withStatus('draining'))
  assert.deepEqual([await regionOf(), await regionOf('sydney')], ['usw1', null])
  await change(withStatus('down'))
  await change(registry.regions.filter(({ code }) => code !== 'ap1'))
  assert.equal((await stage.ask(RUN, post({}, { 'x-region': 'sydney' }))).status, 400)
})

test('what would strand somebody is refused with the reason, and nothing of it is written', async (t) => {
  const stage = await setStage(t)
  answerAsRegion(stage.usw1)
  const before = await read(stage)
  const next = { ...before, version: before.version + 1 }
  const [west, europe] = before.regions
  assert.ok(west && europe)
  const cases: [string, unknown, string][] = [
    ['a version that is not the next', { ...next, version: 7 }, 'version'],
    ['a living region that is gone', { ...next, regions: [{ ...west, failover: [] }] }, 'regions'],
    ['a failover to nowhere', { ...next, regions: [west, { ...europe, failover: ['ap1'] }] }, 'regions'],
    ['a home that is down', { ...next, regions: [{ ...west, status: 'down' }, europe] }, 'default'],
  ]
  for (const [what, registry, field] of cases) {
    const answer = await put(stage, registry)
    assert.equal(answer.status, 422, what)
    assert.deepEqual(Object.keys((await errorOf(answer)).details ?? {}), [field], what)
  }
  for (const broken of [{}, { ...next, regions: [] }, { ...next, regions: [west, west] }])
    assert.equal((await put(stage, broken)).status, 422)
  assert.equal((await put(stage, { ...next, filler: 'x'.repeat(LIMITS.registryBytesMax) })).status, 413)
  assert.deepEqual(await read(stage), before)
})

test('a region that does not answer, or is another one, is not let in', async (t) => {
  const stage = await setStage(t)
  const sydney = await startFakeRegion('ap1')
  t.after(() => sydney.stop())
  const before = await read(stage)
  const next = { ...before, version: before.version + 1, regions: [...before.regions, aRegionAt(sydney.url)] }
  answerAsRegion(sydney, 'ap2')
  assert.equal((await errorOf(await put(stage, next))).code, 'region_unavailable')
  await sydney.refuse()
  const answer = await errorOf(await put(stage, next))
  assert.match(answer.message, /ap1/)
  assert.deepEqual(await read(stage), before)
})

test('the registry is for our own machines: a key, a tenant, a stranger neither read nor write it', async (t) => {
  const stage = await setStage(t)
  const before = await read(stage)
  for (const token of ['', stage.apiKey, 'another token of tests']) {
    assert.equal((await put(stage, { ...before, version: before.version + 1 }, token)).status, 401)
    const answer = await stage.ask(REGISTRY_PATH, { key: null, headers: { authorization: `Bearer ${token}` } })
    assert.equal(answer.status, 401)
  }
})

test('a registry that was lost or broken is replaced by any good one', async (t) => {
  const stage = await setStage(t)
  answerAsRegion(stage.usw1)
  answerAsRegion(stage.eu1)
  await stage.edge.putKv('CONFIG', 'regions:v1', { broken: true })
  assert.equal(
    (await stage.ask(REGISTRY_PATH, { key: null, headers: { authorization: `Bearer ${INTERNAL_TOKEN}` } })).status,
    404,
  )
  assert.equal((await stage.ask(RUN, post({}))).status, 503)
  assert.equal((await put(stage, { ...stage.registry, version: 12 })).status, 200)
  assert.equal((await stage.ask(RUN, { ...post({}), cf: CALIFORNIA })).headers.get('x-region'), 'usw1')
})
