import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createPace, turnOf, waitMs } from '../../../origin/controller/reconcile/pace.ts'
import { LIMITS } from '../../../shared/limits.ts'

const noHost = (): never => {
  throw new Error('Nobody is asked.')
}

// A look and the grace of a dead controller's work must fit into the 30 s that are promised after a crash.
test('however large the region, every host is looked at within the longest wait, and in a small one at every turn', () => {
  fc.assert(
    fc.property(fc.nat({ max: 10_000_000 }), (sandboxes) => {
      const wait = waitMs(sandboxes)
      assert.ok(wait >= LIMITS.reconcileMs && wait <= LIMITS.reconcileMsMax)
      if (sandboxes <= LIMITS.reconcileSandboxesPerSec) assert.equal(wait, LIMITS.reconcileMs)
    }),
  )
  assert.ok(LIMITS.reconcileMsMax + LIMITS.reconcileMs + LIMITS.instanceGraceMs < 30_000)
})

// All at once they would hold up whatever else the process is asked.
test('a hundred hosts of 500 sandboxes each have their turns spread over the wait', () => {
  let now = 1_790_000_000_000
  const names = Array.from({ length: 100 }, (_, n) => `host-${n}`)
  const pace = createPace({ hosts: new Map(names.map((name) => [name, noHost as never])), clock: () => now })
  for (const name of names) pace.compared(name, 500)
  for (const name of names) pace.take(name)
  const looks = Array.from({ length: 20 }, () => {
    now += 1_000
    return names.filter((name) => pace.take(name)).length
  })
  assert.equal(
    looks.reduce((sum, some) => sum + some, 0),
    200,
    'each twice in 20 s',
  )
  assert.ok(Math.max(...looks) < 40, `${looks}`)
})

// Set back by an hour, a clock that is waited for would stop every look for an hour.
test('a clock that is set, either way, delays no look beyond the wait', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1_001, max: 10_000 }),
      fc.float({ min: 0, max: Math.fround(0.999), noNaN: true }),
      fc.integer({ min: -3_600_000, max: 3_600_000 }),
      (wait, place, step) => {
        const before = turnOf(1_790_000_000_000, wait, place)
        assert.notEqual(turnOf(1_790_000_000_000 + step, wait, place), Math.abs(step) > wait ? before : Number.NaN)
        assert.notEqual(
          turnOf(1_790_000_000_000 + step + wait, wait, place),
          turnOf(1_790_000_000_000 + step, wait, place),
        )
      },
    ),
  )
})
