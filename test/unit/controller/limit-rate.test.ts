/** The rate of requests at a region's own address: a minute's worth at once, and evenly after that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createBuckets } from '../../../origin/controller/http/limit-rate.ts'

const WINDOW_MS = 60_000

test('in no time does anybody get more than a minute of requests and what has filled up meanwhile', () => {
  const step = fc.record({ waitMs: fc.nat({ max: 5_000 }), requests: fc.nat({ max: 40 }) })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.array(step, { size: 'max', maxLength: 40 }),
      (perMinute, steps) => {
        let nowMs = 0
        let admitted = 0
        const buckets = createBuckets(() => nowMs)
        for (const { waitMs, requests } of steps) {
          nowMs += waitMs
          for (let n = 0; n < requests; n++) if (buckets.take([{ name: 'a', perMinute }]).admitted) admitted += 1
          assert.ok(admitted <= perMinute * (1 + nowMs / WINDOW_MS) + 1e-6)
        }
      },
    ),
  )
})

test('whoever keeps to the rate is never refused', () => {
  let nowMs = 0
  const buckets = createBuckets(() => nowMs)
  for (let n = 0; n < 5_000; n++) {
    nowMs += WINDOW_MS / 60
    assert.ok(buckets.take([{ name: 'a', perMinute: 60 }]).admitted, `request ${n}`)
  }
})

// A refusal by the key's limit must not use up what other keys of the tenant share.
test('a request that is refused by one limit takes nothing from the other', () => {
  const buckets = createBuckets(() => 0)
  const tenant = { name: 'tenant', perMinute: 10 }
  for (let n = 0; n < 20; n++) buckets.take([tenant, { name: 'key', perMinute: 2 }])
  assert.deepEqual(buckets.take([tenant]), { admitted: true, perMinute: 10, tokens: 7 })
})

test('however many ask, only so many are remembered, and one tenant never pays for another', () => {
  const buckets = createBuckets(() => 0, 100)
  for (let n = 0; n < 1_000; n++) assert.ok(buckets.take([{ name: `tenant ${n}`, perMinute: 1 }]).admitted)
  assert.ok(!buckets.take([{ name: 'tenant 999', perMinute: 1 }]).admitted)
  assert.ok(buckets.take([{ name: 'tenant 0', perMinute: 1 }]).admitted)
})
