/** What the edge does when its own configuration is missing, wrong or late, and what its clock keeps up to date. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../shared/limits.ts'
import { regionCapacitySchema } from '../../../shared/regions.ts'
import { until } from '../../harness/until.ts'
import { errorOf, hashOf, INTERNAL_TOKEN, post, registryOf, setStage } from './stage/edge-stage.ts'
import { answerJson, hang } from './stage/fake-region.ts'

const RUN = '/v1/sandboxes/run'
const NOWHERE = { url: 'http://127.0.0.1:9' }
const HOMELESS = { ...registryOf(NOWHERE, NOWHERE), default: 'ap1' }
const CAPACITY = {
  region: 'usw1',
  ts: 1,
  seq: 3,
  accepting: true,
  draining: false,
  free: { small: 4 },
  pool: { 'default@small': 2 },
  running: 1,
  paused: 0,
  load: 0.25,
}

for (const [what, namespace, key, value] of [
  ['a missing registry', 'CONFIG', 'regions:v1', null],
  ['a corrupt registry', 'CONFIG', 'regions:v1', { version: 'one', regions: [] }],
  ['a registry whose home is none of its regions', 'CONFIG', 'regions:v1', HOMELESS],
  ['missing tiers', 'CONFIG', 'tiers:v1', null],
  ['a corrupt tier table', 'CONFIG', 'tiers:v1', { scale: { concurrency: -1 } }],
] as const) {
  test(`${what} is a 503 that may be repeated, never a crash`, async (t) => {
    const { ask, usw1 } = await setStage(t, { seed: (edge) => edge.putKv(namespace, key, value) })
    const answer = await ask(RUN, post({}))
    assert.equal(answer.status, 503)
    assert.equal(answer.headers.get('retry-after'), '1')
    assert.equal((await errorOf(answer)).code, 'configuration_unavailable')
    assert.equal(usw1.received.length, 0)
    assert.equal((await ask('/healthz', { key: null })).status, 200)
  })
}

test('a key record that cannot be read is a 503, not a refusal of the key', async (t) => {
  const stage = await setStage(t)
  await stage.edge.putKv('KEYS', `k:${hashOf(stage.apiKey)}`, { id: 7 })
  const answer = await stage.ask(RUN, post({}))
  assert.equal(answer.status, 503)
  assert.equal((await errorOf(answer)).code, 'configuration_unavailable')
})

test('a registry that breaks later changes nothing: the last good one serves', async (t) => {
  const { ask, edge } = await setStage(t)
  assert.equal((await ask(RUN, post({}))).status, 200)
  await edge.putKv('CONFIG', 'regions:v1', { broken: true })
  await new Promise((resolve) => setTimeout(resolve, LIMITS.kvFreshMs + 500))
  for (let sent = 0; sent < 3; sent += 1) assert.equal((await ask(RUN, post({}))).status, 200)
})

test('a change of the registry is followed without a restart', async (t) => {
  const { ask, edge, registry } = await setStage(t)
  assert.equal((await ask(RUN, post({}))).headers.get('x-region'), 'usw1')
  const regions = registry.regions.map((region) =>
    region.code === 'usw1' ? { ...region, status: 'draining' as const } : region,
  )
  await edge.putKv('CONFIG', 'regions:v1', { ...registry, version: 2, regions })
  await new Promise((resolve) => setTimeout(resolve, LIMITS.kvFreshMs + 500))
  const chosen = async () => (await ask(RUN, post({}))).headers.get('x-region')
  await until('the change to be followed', async () => (await chosen()) === 'eu1')
})

test('the clock asks every region what is free, and writes a silent one down as taking nothing', async (t) => {
  const { ask, edge, usw1, eu1 } = await setStage(t)
  usw1.respond((_received, response) => answerJson(response, 200, CAPACITY))
  await eu1.refuse()
  await edge.runCron()
  assert.equal(usw1.received[0]?.url, '/v1/capacity')
  assert.equal(usw1.received[0]?.headers.authorization, `Bearer ${INTERNAL_TOKEN}`)
  const west = regionCapacitySchema.parse(await edge.readKv('CAPACITY', 'c:usw1'))
  assert.deepEqual({ ...west, ts: 1 }, CAPACITY)
  assert.ok(Math.abs(Date.now() - west.ts) < 60_000)
  const europe = regionCapacitySchema.parse(await edge.readKv('CAPACITY', 'c:eu1'))
  assert.equal(europe.accepting, false)
  await eu1.revive()
  const answer = await ask(RUN, { ...post({}), cf: { continent: 'EU' } })
  assert.equal(answer.headers.get('x-region'), 'usw1')
})

test('a region that hangs, or answers for another one, holds up no other and counts as silent', async (t) => {
  const { edge, usw1, eu1 } = await setStage(t)
  usw1.respond(hang)
  eu1.respond((_received, response) => answerJson(response, 200, CAPACITY))
  const startedMs = Date.now()
  await edge.runCron()
  assert.ok(Date.now() - startedMs < 4 * LIMITS.capacityPollMs)
  for (const code of ['usw1', 'eu1']) {
    assert.equal(regionCapacitySchema.parse(await edge.readKv('CAPACITY', `c:${code}`)).accepting, false, code)
  }
})
