/**
 * The edge before a KV that lags 30 to 120 seconds, caches what it missed, and fails: what is told late is followed late, but never
 * wrongly for longer, and nothing comes back that has ended. Minutes pass here by setting the Worker's clock ahead.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { KeyRecord } from '../../../shared/accounts.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { REGISTRY_PATH } from '../../../shared/regions.ts'
import { until } from '../../harness/until.ts'
import {
  aKeyRecord,
  aSandboxIn,
  errorOf,
  freshKey,
  hashOf,
  INTERNAL_TOKEN,
  post,
  type StageOptions,
  setStage,
} from './stage/edge-stage.ts'

const entry = fileURLToPath(new URL('./stage/lagging-worker.ts', import.meta.url))
const PATH = `/v1/sandboxes/${aSandboxIn('usw1')}`
const RUN = '/v1/sandboxes/run'
const A_STEP_MS = 2_500
const AS_OURS = {
  key: null,
  headers: { authorization: `Bearer ${INTERNAL_TOKEN}`, 'content-type': 'application/json' },
}

async function setLaggingStage(t: TestContext, lagMs: number, options: StageOptions = {}) {
  const stage = await setStage(t, { ...options, entry })
  let aheadMs = 0
  /** Says how much is still under way behind answers that were given. */
  const arrange = async (how: Record<string, string>): Promise<number> => {
    const answer = await stage.ask(`/__stage?${new URLSearchParams(how)}`, { method: 'PUT', key: null })
    return ((await answer.json()) as { underWay: number }).underWay
  }
  await arrange({ lagMs: String(lagMs) })
  return {
    ...stage,
    arrange,
    /** Lets time pass, all of it at once or in steps of a few seconds. */
    pass: async (ms: number): Promise<void> => {
      await until('what is renewed in the background to be there', async () => (await arrange({})) === 0)
      aheadMs += ms
      await arrange({ aheadMs: String(aheadMs) })
    },
    passedMs: () => aheadMs,
    tell: async (key: string, record: KeyRecord): Promise<void> => {
      const body = JSON.stringify({ keys: [{ hash: hashOf(key), record }] })
      assert.equal((await stage.ask('/internal/v1/kv', { ...AS_OURS, method: 'PUT', body })).status, 204)
    },
  }
}

for (const lagMs of [0, 30_000, 120_000]) {
  test(`with a KV that lags ${lagMs / 1_000} s, a revoked key is refused in the end and never let in again`, async (t) => {
    const { ask, apiKey, pass, passedMs, tell } = await setLaggingStage(t, lagMs)
    assert.equal((await ask(PATH)).status, 200)
    await tell(apiKey, aKeyRecord({ status: 'revoked' }))
    const seen: number[] = []
    while (passedMs() < lagMs + 240_000) {
      seen.push((await ask(PATH)).status)
      await pass(A_STEP_MS)
    }
    const refusedAt = seen.indexOf(401)
    const worstMs = lagMs + LIMITS.kvCacheTtlSec * 1_000 + LIMITS.kvFreshMs + 2 * A_STEP_MS
    assert.ok(refusedAt >= 0 && refusedAt * A_STEP_MS <= worstMs, `refused after ${refusedAt * A_STEP_MS} ms`)
    assert.deepEqual([...new Set(seen.slice(refusedAt))], [401])
  })

  test(`with a KV that lags ${lagMs / 1_000} s, a new key works at once, and one that was asked about too early soon after`, async (t) => {
    const { ask, usw1, pass } = await setLaggingStage(t, lagMs)
    const [known, early] = [freshKey(), freshKey()]
    usw1.keys.set(hashOf(known), aKeyRecord({ id: 'key_2' }))
    assert.equal((await ask(PATH, { key: known })).status, 200)
    assert.equal((await ask(PATH, { key: early })).status, 401)
    usw1.keys.set(hashOf(early), aKeyRecord({ id: 'key_3' }))
    await pass(LIMITS.keyUnknownMs)
    assert.equal((await ask(PATH, { key: early })).status, 200)
  })

  test(`with a KV that lags ${lagMs / 1_000} s, a region that is drained gets nothing new within a minute of KV's showing it`, async (t) => {
    const { ask, usw1, eu1, registry, pass, passedMs } = await setLaggingStage(t, lagMs)
    const regionOf = async () => (await ask(RUN, post({}))).headers.get('x-region')
    assert.equal(await regionOf(), 'usw1')
    const regions = registry.regions.map((region) =>
      region.code === 'usw1' ? { ...region, status: 'draining' as const } : region,
    )
    const body = JSON.stringify({ ...registry, version: 2, regions })
    assert.equal((await ask(REGISTRY_PATH, { ...AS_OURS, method: 'PUT', body })).status, 200)
    while ((await regionOf()) !== 'eu1') {
      await pass(A_STEP_MS)
      assert.ok(passedMs() <= lagMs + 60_000, `not after ${passedMs()} ms`)
    }
    const before = usw1.received.length
    for (let n = 0; n < 30; n++) {
      assert.equal(await regionOf(), 'eu1')
      await pass(A_STEP_MS)
    }
    assert.deepEqual([usw1.received.length, eu1.received.length > 0], [before, true])
  })
}

// A key may be made, leak and be revoked before KV has ever shown it; then the home's word is the only one.
test('a key that was made and revoked before KV shows it is refused, because the home says so', async (t) => {
  const { ask, usw1, pass } = await setLaggingStage(t, 120_000)
  const key = freshKey()
  usw1.keys.set(hashOf(key), aKeyRecord())
  assert.equal((await ask(PATH, { key })).status, 200)
  usw1.keys.set(hashOf(key), aKeyRecord({ status: 'revoked' }))
  await pass(LIMITS.kvFreshMs)
  await ask(PATH, { key })
  await pass(1)
  assert.equal((await errorOf(await ask(PATH, { key }))).code, 'revoked_token')
})

test('while KV throws, known keys are served for a minute, routing for ever, and a key is never called unknown', async (t) => {
  const { ask, addKey, arrange, pass } = await setLaggingStage(t, 0)
  const other = await addKey()
  assert.equal((await ask(PATH)).status, 200)
  await arrange({ isFailing: 'true' })
  for (const key of [other, freshKey()]) {
    const answer = await ask(PATH, { key })
    assert.deepEqual([answer.status, (await errorOf(answer)).code], [503, 'configuration_unavailable'])
  }
  await pass(LIMITS.kvStaleMs - 2_000)
  assert.equal((await ask(PATH)).status, 200)
  await pass(4_000)
  assert.equal((await ask(PATH)).status, 503)
  await pass(24 * 3_600_000)
  await arrange({ isFailing: 'false' })
  assert.equal((await ask(PATH)).status, 200)
})

test('a capacity record older than 180 s is ignored, never read as full', async (t) => {
  const full = { region: 'usw1', seq: 1, accepting: false, draining: false, pool: {}, running: 9, paused: 0, load: 1 }
  const { ask, pass } = await setLaggingStage(t, 0, {
    seed: (edge) => edge.putKv('CAPACITY', 'c:usw1', { ...full, ts: Date.now(), free: {} }),
  })
  const regionOf = async () => (await ask(RUN, post({}))).headers.get('x-region')
  assert.equal(await regionOf(), 'eu1')
  await pass(LIMITS.capacityStaleMs - 10_000)
  assert.equal(await regionOf(), 'eu1')
  await pass(11_000)
  assert.equal(await regionOf(), 'usw1')
})
