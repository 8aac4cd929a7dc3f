/** One Idempotency-Key, one sandbox, wherever its requests land: the real edge before two regions that make sandboxes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../harness/until.ts'
import { sha256 } from './stage/creating-region.ts'
import { BODY, CREATE, idOf, setCreatingStage, wayOf } from './stage/creating-stage.ts'
import { aSandboxIn, EUROPE, errorOf, post } from './stage/edge-stage.ts'
import { answerJson, answerNotExecuted, resetConnection } from './stage/fake-region.ts'

const RUN = '/v1/sandboxes/run'
const EU = { headers: { 'x-region': 'eu' } }

test('a retry that is steered elsewhere gets the answer of the region that has the sandbox', async (t) => {
  const { create, eu1, living } = await setCreatingStage(t)
  const first = await idOf(await create('k1'))
  const again = await create('k1', { cf: EUROPE })
  assert.deepEqual(wayOf(again), ['usw1', 'from=eu1;reason=key_elsewhere'])
  assert.equal(again.headers.get('idempotent-replayed'), 'true')
  assert.equal(await idOf(again), first)
  await until('the other region to be told', () => eu1.orphans.length > 0)
  const orphan = { tenant: 'ten_1', idempotency_key: 'k1', external_user_id: null, door: 'create' }
  assert.deepEqual(eu1.orphans, [{ ...orphan, body_sha256: sha256(BODY), owner: 'usw1' }])
  assert.deepEqual(living('k1'), [first])
})

test('a key that is sent to two regions at once is one sandbox, and all of its callers are told of that one', async (t) => {
  const { create, living } = await setCreatingStage(t)
  for (const key of ['r1', 'r2', 'r3']) {
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) => create(key, { headers: { 'x-region': n % 2 === 0 ? 'us-west' : 'eu' } })),
    )
    const ids = new Set(await Promise.all(answers.map(idOf)))
    assert.equal(ids.size, 1)
    await until('one survivor', () => living(key).length === 1)
    assert.deepEqual(living(key), [...ids])
  }
})

test('keys are told apart by user, door and tenant, as regions tell them apart', async (t) => {
  const { create, addKey, ask, usw1, eu1 } = await setCreatingStage(t)
  await idOf(await create('k1'))
  const others = [await addKey({ externalUser: 'u1' }), await addKey({ tenant: 'ten_2' })]
  const body = { ...post(BODY, { 'idempotency-key': 'k1' }), cf: EUROPE }
  for (const key of others) assert.deepEqual(wayOf(await ask(CREATE, { ...body, key })), ['eu1', null])
  for (const path of ['/podflare/v1/sandboxes', RUN]) assert.deepEqual(wayOf(await ask(path, body)), ['eu1', null])
  assert.deepEqual([...usw1.orphans, ...eu1.orphans], [])
  const again = await ask('/podflare/v1/sandboxes', post(BODY, { 'idempotency-key': 'k1' }))
  assert.equal(again.headers.get('x-region'), 'eu1')
  await until('Podflare’s to be given up', () => usw1.orphans.length > 0)
  assert.equal(usw1.orphans[0]?.door, 'podflare')
})

// A command cannot be undone, so where its key is must be known before it is sent.
test('a run with a key runs in one region, however many are asked, and whether that one answers or not', async (t) => {
  const { create, usw1, eu1 } = await setCreatingStage(t)
  const run = (key: string, region: string) => create(key, { path: RUN, headers: { 'x-region': region } })
  const regions = ['us-west', 'eu', 'us-west', 'eu', 'us-west', 'eu']
  const answers = await Promise.all(regions.map((region) => run('k1', region)))
  assert.equal(new Set(await Promise.all(answers.map(idOf))).size, 1)
  assert.equal(Math.min(usw1.received.length, eu1.received.length), 0)
  const sent = eu1.received.length
  usw1.respond(resetConnection)
  assert.equal((await run('k2', 'us-west')).status, 504)
  assert.equal((await errorOf(await run('k2', 'eu'))).details?.region, 'usw1')
  assert.equal(eu1.received.length, sent)
  assert.deepEqual([...usw1.orphans, ...eu1.orphans], [])
})

test('a run that was refused before it ran is run elsewhere, and from then on there', async (t) => {
  const { create, west, usw1 } = await setCreatingStage(t)
  usw1.respond(answerNotExecuted)
  const first = await create('k1', { path: RUN })
  assert.deepEqual(wayOf(first), ['eu1', 'from=usw1;reason=not_executed'])
  usw1.respond(west.create)
  const again = await create('k1', { path: RUN })
  assert.equal(await idOf(again), await idOf(first))
  assert.equal(usw1.received.length, 1)
})

test('a create too large to be kept is asked about first, and goes to where its key is', async (t) => {
  const { create, usw1, eu1 } = await setCreatingStage(t)
  const body = JSON.stringify({ metadata: { filler: 'x'.repeat(300_000) } })
  const first = await idOf(await create('k1', { body }))
  assert.equal(await idOf(await create('k1', { body, cf: EUROPE })), first)
  assert.deepEqual([usw1.received.length, eu1.received.length, eu1.orphans.length], [2, 0, 0])
})

test('a body that names another region than that of its key is told where the sandbox is', async (t) => {
  const { create, living } = await setCreatingStage(t)
  const first = await idOf(await create('k1'))
  const refused = await create('k1', { body: '{"region":"eu"}' })
  assert.equal(refused.status, 409)
  const { code, details } = await errorOf(refused)
  assert.deepEqual([code, details], ['idempotency_elsewhere', { region: 'usw1' }])
  await until('one survivor', () => living('k1').length === 1)
  assert.deepEqual(living('k1'), [first])
  const auto = await create('k1', { body: '{"region":"auto"}', ...EU })
  assert.deepEqual([auto.status, (await errorOf(auto)).code], [422, 'idempotency_key_reused'])
})

test('a create that was refused leaves its key free, so that it may be made wherever the next one lands', async (t) => {
  const { create, usw1, west, living } = await setCreatingStage(t)
  usw1.respond((_received, response) => answerJson(response, 429, { error: { code: 'concurrency_limit' } }))
  assert.equal((await create('k1')).status, 429)
  const made = await create('k1', { cf: EUROPE })
  assert.deepEqual(wayOf(made), ['eu1', null])
  assert.deepEqual(living('k1'), [await idOf(made)])
  usw1.respond(west.create)
  assert.deepEqual(wayOf(await create('k1')), ['eu1', 'from=usw1;reason=key_elsewhere'])
})

test("a key of the edge's own making leads back to its region, whatever else the request says", async (t) => {
  const { create, ask, usw1, eu1, europe } = await setCreatingStage(t)
  eu1.respond(europe.createUnheard)
  const lost = await create(null, EU)
  assert.equal(lost.status, 504)
  const key = String((await errorOf(lost)).details?.idempotency_key)
  eu1.respond(europe.create)
  const ids = [
    await idOf(await create(key, { headers: { 'x-region': 'us-west' } })),
    await idOf(await ask(`/r/us-west${CREATE}`, post(BODY, { 'idempotency-key': key }))),
  ]
  assert.deepEqual([...new Set(ids)], [...europe.living().values()])
  assert.equal(usw1.received.length, 0)
})

test('a sandbox is never given up because of a request for another one with the same key', async (t) => {
  const { create, usw1, west, living } = await setCreatingStage(t)
  usw1.respond(west.createUnheard)
  assert.equal((await create('k1', { headers: { 'x-region': 'us-west' } })).status, 504)
  usw1.respond(west.create)
  const other = await create('k1', { body: '{"name":"other"}', cf: EUROPE })
  assert.deepEqual([other.status, (await errorOf(other)).code], [422, 'idempotency_key_reused'])
  const again = await idOf(await create('k1'))
  assert.ok(again.startsWith(aSandboxIn('usw1').slice(0, 9)))
  await until('one survivor', () => living('k1').length === 1)
})
