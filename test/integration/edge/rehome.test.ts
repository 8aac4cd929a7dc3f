/** A create whose answer is lost is made elsewhere, once, and nothing of it stays where it was: whatever dies, and whoever asks again. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { LIMITS } from '../../../shared/limits.ts'
import { until } from '../../harness/until.ts'
import { sha256 } from './stage/creating-region.ts'
import { BODY, idOf, setCreatingStage, wayOf } from './stage/creating-stage.ts'
import { EUROPE, errorOf } from './stage/edge-stage.ts'
import { hang, resetConnection } from './stage/fake-region.ts'

const entry = fileURLToPath(new URL('./stage/keys-worker.ts', import.meta.url))
const RUN = '/v1/sandboxes/run'
const WEST = { headers: { 'x-region': 'us-west' } }
const AS_OURS = { key: null, method: 'PUT' }

test('a create whose answer is lost is made in the next region and given up in the first, with a key and without', async (t) => {
  const { create, usw1, west, eu1, europe } = await setCreatingStage(t)
  for (const key of ['mine', null]) {
    usw1.respond(west.createUnheard)
    const answer = await create(key)
    assert.deepEqual(wayOf(answer), ['eu1', 'from=usw1;reason=no_answer'])
    const id = await idOf(answer)
    await until('the first region to be told', () => west.living().size === 0)
    assert.ok([...europe.living().values()].includes(id))
    usw1.respond(west.create)
    if (key !== null) assert.equal(await idOf(await create(key)), id)
  }
  assert.ok(usw1.orphans.every(({ owner, body_sha256 }) => owner === 'eu1' && body_sha256 === sha256(BODY)))
  // The second attempt of a create without a key has a key of its own, which leads to where it was made.
  assert.match(String(eu1.received.at(-1)?.headers['idempotency-key']), /^edge-eu1-/)
  assert.equal(new Set(eu1.received.map(({ body }) => body.toString())).size, 1)
})

test('a region that refuses connections is told when it is back, and not before it has listened', async (t) => {
  const { create, usw1, west, living } = await setCreatingStage(t)
  usw1.respond(west.createUnheard)
  usw1.keepOrphans(true)
  const id = await idOf(await create('k1'))
  await until('a word that was not taken', () => usw1.orphans.length > 0)
  await usw1.refuse()
  assert.equal(living('k1').length, 2)
  const second = await create('k2')
  assert.equal(second.headers.get('x-region'), 'eu1')
  usw1.keepOrphans(false)
  usw1.orphans.length = 0
  await usw1.revive()
  await until('the region to be told', () => usw1.orphans.length > 0)
  assert.deepEqual(living('k1'), [id])
  assert.equal(await idOf(await create('k1', WEST)), id)
})

// What the edge owes must outlive it: nobody else knows of the sandbox.
test('what a region owes is collected after the edge itself has died and come back', async (t) => {
  const persistDir = await mkdtemp(join(tmpdir(), 'atoll-keys-'))
  t.after(() => rm(persistDir, { recursive: true, force: true }))
  const { create, usw1, west, living, restart } = await setCreatingStage(t, { persistDir })
  usw1.respond(west.createUnheard)
  usw1.keepOrphans(true)
  const id = await idOf(await create('k1'))
  await until('a word that was not taken', () => usw1.orphans.length > 0)
  await restart()
  usw1.keepOrphans(false)
  await until('one survivor', () => living('k1').length === 1)
  usw1.respond(west.create)
  assert.equal(await idOf(await create('k1')), id)
})

test('a create that arrives after it was given up makes nothing', async (t) => {
  const { create, usw1, west, living } = await setCreatingStage(t)
  const late = Promise.withResolvers<() => void>()
  usw1.respond((received, response, request) => {
    late.resolve(() => west.create(received, response, request))
    resetConnection(received, response, request)
  })
  const id = await idOf(await create('k1'))
  await until('the first region to be told', () => usw1.orphans.length > 0)
  ;(await late.promise)()
  assert.deepEqual(living('k1'), [id])
})

test('where the caller chose the region, or a command may have run, nothing is made elsewhere', async (t) => {
  const { create, addKey, ask, usw1, west, eu1 } = await setCreatingStage(t)
  usw1.respond(west.createUnheard)
  const pinned = await addKey({ pin: 'usw1' })
  const lost = [
    await create('k1', WEST),
    await create('k2', { headers: { 'x-region': 'us-west,eu' } }),
    await create('k3', { body: '{"region":"us-west"}' }),
    await create('k4', { path: RUN }),
    await ask('/v1/sandboxes', { method: 'POST', body: BODY, key: pinned, headers: { 'idempotency-key': 'k5' } }),
  ]
  for (const [index, answer] of lost.entries()) {
    assert.equal(answer.status, 504)
    assert.deepEqual((await errorOf(answer)).details, { region: 'usw1', idempotency_key: `k${index + 1}` })
  }
  assert.deepEqual([eu1.received.length, usw1.orphans.length], [0, 0])
})

// The caller was told that the outcome is unknown: nobody has an answer from the first region, so its sandbox may be given up.
test('who was told that the outcome is unknown may ask again, and is served where there is somebody to serve', async (t) => {
  const { create, usw1, west, living } = await setCreatingStage(t)
  usw1.respond(west.createUnheard)
  assert.equal((await create('k1', WEST)).status, 504)
  usw1.respond(west.create)
  await usw1.refuse()
  const again = await create('k1')
  assert.deepEqual(wayOf(again), ['eu1', 'from=usw1;reason=unhealthy'])
  const id = await idOf(again)
  await usw1.revive()
  await until('one survivor', () => living('k1').length === 1)
  assert.deepEqual(living('k1'), [id])
})

// Somebody has that sandbox: a second one would be given to the same caller, and the first one taken away.
test('a sandbox that somebody was told of stays theirs while its region is down', async (t) => {
  const { create, usw1, eu1, living } = await setCreatingStage(t)
  const id = await idOf(await create('k1'))
  await usw1.refuse()
  for (let tries = 0; tries < 3; tries += 1) {
    const answer = await create('k1')
    assert.ok(answer.status === 503 || answer.status === 504, `${answer.status}`)
    assert.equal(answer.headers.get('idempotent-replayed'), null)
    await answer.body?.cancel()
  }
  await until('what was made meanwhile to be given up', () => living('k1').length === 1)
  await usw1.revive()
  await until('the region to answer again', async () => {
    const answer = await create('k1', WEST)
    const text = await answer.text()
    return answer.status === 201 && JSON.parse(text).data.id === id
  })
  assert.deepEqual(living('k1'), [id])
  assert.deepEqual([usw1.orphans.length, eu1.orphans.every(({ owner }) => owner === 'usw1')], [0, true])
})

test('a caller who leaves in the middle finds one sandbox when it comes back with its key', async (t) => {
  const { create, usw1, west, living } = await setCreatingStage(t)
  const reached = Promise.withResolvers<() => void>()
  usw1.respond((received, response, request) => {
    reached.resolve(() => west.createUnheard(received, response, request))
  })
  const leaving = new AbortController()
  const left = create('k1', { signal: leaving.signal }).catch(() => 'left' as const)
  const breakOff = await reached.promise
  leaving.abort()
  assert.equal(await left, 'left')
  breakOff()
  usw1.respond(west.create)
  const id = await idOf(await create('k1'))
  await until('one survivor', () => living('k1').length === 1)
  assert.deepEqual(living('k1'), [id])
})

test('a storm of lost creates is made elsewhere no more often than successes pay for', async (t) => {
  const { create, usw1, west, eu1, europe } = await setCreatingStage(t)
  usw1.respond(west.createUnheard)
  const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => create(n % 2 === 0 ? `k${n}` : null)))
  const sent = usw1.received.length + eu1.received.length
  const paidFor = LIMITS.retryTokensMax / 2
  assert.ok(sent <= 30 + paidFor, `${sent} requests for 30`)
  const [made, unknown] = [201, 504].map((wanted) => answers.filter(({ status }) => status === wanted).length)
  assert.equal(Number(made) + Number(unknown), 30)
  // What nobody was served instead of stays, and waits for its caller.
  await until('the first region to be told', () => west.living().size === unknown)
  assert.equal(europe.living().size, made)
})

test('one of 50 creates asks a region that is half open whether it lives, and all are served', async (t) => {
  const { create, ask, usw1 } = await setCreatingStage(t, { entry })
  await usw1.refuse()
  for (let sent = 0; sent < 6; sent += 1) await (await create(null, { path: RUN })).body?.cancel()
  await usw1.revive()
  const before = usw1.probes()
  await ask(`/__stage?aheadMs=${LIMITS.breakerOpenMsMax + 1}`, AS_OURS)
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => create(n % 2 === 0 ? `k${n}` : null)))
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201])
  assert.equal(usw1.probes() - before, 1)
})

test('keys that are silent make an outcome unknown and no second sandbox, and creates without a key go on', async (t) => {
  const { create, ask, usw1, eu1, living } = await setCreatingStage(t, { entry })
  for (const manner of ['away', 'deaf']) {
    await ask(`/__keys?manner=${manner}`, AS_OURS)
    assert.equal((await create(null)).status, 201)
    const lost = await create(manner)
    assert.equal(lost.status, 504)
    assert.deepEqual((await errorOf(lost)).details, { region: 'usw1', idempotency_key: manner })
    const run = await create(manner, { path: RUN })
    assert.deepEqual([run.status, (await errorOf(run)).code], [503, 'idempotency_unavailable'])
    await ask('/__keys?manner=well', AS_OURS)
    // Wherever it is asked for again: what the keys did not know of then, they learn as soon as they answer.
    const id = await idOf(await create(manner, { cf: EUROPE }))
    await until('one survivor', () => living(manner).length === 1)
    assert.deepEqual(living(manner), [id])
  }
  assert.ok(!usw1.received.some(({ url }) => url === RUN))
  // Nor is anything made elsewhere that could not be written down.
  await ask('/__keys?manner=away', AS_OURS)
  const before = eu1.received.length
  usw1.respond(resetConnection)
  for (const key of ['lost', null]) assert.equal((await create(key)).status, 504)
  assert.equal(eu1.received.length, before)
})

test('a key is kept for a day after its last use, however many there are, and then begins anew', async (t) => {
  const { create, ask, eu1 } = await setCreatingStage(t, { entry })
  const count = async (): Promise<unknown> => (await ask('/__keys?wake&count', AS_OURS)).json()
  const ahead = (ms: number) => ask(`/__stage?aheadMs=${ms}`, AS_OURS)
  const id = await idOf(await create('k1'))
  await ahead(24 * 3_600_000)
  assert.equal(await count(), 1)
  assert.equal(await idOf(await create('k1', { cf: EUROPE })), id)
  await ahead(48 * 3_600_000)
  assert.equal(await count(), 1)
  await ahead(24 * 3_600_000 + 2 * LIMITS.boundKeyMs)
  assert.equal(await count(), 0)
  assert.deepEqual(wayOf(await create('k1', { cf: EUROPE })), ['eu1', null])
  await ask(`/__keys?fill=${LIMITS.boundKeysPerTenantMax}&wake`, AS_OURS)
  await idOf(await create('k2', { cf: EUROPE }))
  const kept = Number(await (await ask('/__keys?count', AS_OURS)).json())
  assert.ok(kept > 0 && kept <= LIMITS.boundKeysPerTenantMax, `${kept}`)
  assert.equal(await idOf(await create('k2')), await idOf(await create('k2', { cf: EUROPE })))
  assert.ok(eu1.received.length >= 3)
})

test('a region that was taken out of the registry owes what it owed when it is put back', async (t) => {
  const { create, ask, edge, registry, usw1, west, living } = await setCreatingStage(t, { entry })
  usw1.respond(west.createUnheard)
  usw1.keepOrphans(true)
  const id = await idOf(await create('k1'))
  await until('a word that was not taken', () => usw1.orphans.length > 0)
  const tell = async (regions: typeof registry.regions, aheadMs: number): Promise<void> => {
    await edge.putKv('CONFIG', 'regions:v1', { ...registry, default: 'eu1', regions })
    await ask(`/__stage?aheadMs=${aheadMs}`, AS_OURS)
    await ask('/__keys?wake', AS_OURS)
  }
  const hour = 3_600_000
  const others = registry.regions.filter(({ code }) => code !== 'usw1')
  await tell(others, hour)
  // From here on no copy of the old registry is used any more.
  usw1.keepOrphans(false)
  usw1.orphans.length = 0
  await tell(others, 2 * hour)
  assert.deepEqual([usw1.orphans.length, living('k1').length], [0, 2])
  await tell(registry.regions, 3 * hour)
  assert.equal(usw1.orphans.length, 1)
  assert.deepEqual(living('k1'), [id])
})

test('a create that hangs until its time is over is unknown, and is made elsewhere when it is asked for again', async (t) => {
  const { create, usw1, living } = await setCreatingStage(t)
  usw1.respond(hang)
  const lost = await create('k1', { headers: { 'x-timeout-ms': '400' } })
  assert.equal(lost.status, 504)
  assert.equal((await errorOf(lost)).details?.idempotency_key, 'k1')
  const id = await idOf(await create('k1', { cf: EUROPE }))
  await until('the first region to be told', () => usw1.orphans.length === 1)
  assert.deepEqual(living('k1'), [id])
})
