/** The way to a region as an isolate has seen it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PeakEwma, wayMs } from '../../../edge/steering/peak-ewma.ts'
import { LIMITS } from '../../../shared/limits.ts'

const warm = (): PeakEwma => {
  const way = new PeakEwma()
  way.observe(500, 0)
  return way
}

test('the first answer, which paid for the connection, counts for nothing; the second is the value', () => {
  const way = warm()
  assert.equal(way.valueMs(0), null)
  way.observe(40, 10)
  assert.equal(way.valueMs(10), 40)
})

test('a peak is believed at once, and forgotten slowly', () => {
  const way = warm()
  way.observe(10, 0)
  way.observe(200, 1_000)
  assert.equal(way.valueMs(1_000), 200)
  way.observe(10, 2_000)
  const soon = way.valueMs(2_000) ?? 0
  assert.ok(soon > 150 && soon < 200, `${soon}`)
  for (let n = 1; n <= 60; n++) way.observe(10, 2_000 + n * 1_000)
  assert.ok((way.valueMs(62_000) ?? 0) < 12)
})

test('the value is never outside of what was seen, and none is left after a minute of silence', () => {
  const seen = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 10_000 }), afterMs: fc.nat(20_000) }), {
    minLength: 1,
  })
  fc.assert(
    fc.property(seen, (samples) => {
      const way = warm()
      let nowMs = 0
      for (const { ms, afterMs } of samples) {
        nowMs += afterMs
        way.observe(ms, nowMs)
      }
      const value = way.valueMs(nowMs) ?? Number.NaN
      assert.ok(value >= Math.min(...samples.map(({ ms }) => ms)) - 1e-6)
      assert.ok(value <= Math.max(...samples.map(({ ms }) => ms)) + 1e-6)
      assert.equal(way.valueMs(nowMs + LIMITS.rttSeenMs + 1), null)
    }),
  )
})

test('the way is what the region did not work, and unknown where it does not say', () => {
  assert.equal(wayMs(120, 'auth;dur=1.00, total;dur=20.50'), 99.5)
  assert.equal(wayMs(10, 'total;dur=20'), 0)
  for (const said of [null, '', 'subtotal;dur=5', 'total', 'total;dur=-1', 'total;dur=1e9', 'x;desc="total;dur=1"'])
    assert.equal(wayMs(10, said), null, String(said))
})
