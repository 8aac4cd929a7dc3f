import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Demand } from '../../../origin/hostd/pool/demand.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { SIZES } from '../../../shared/machines.ts'

const xs = { template: 'default', machine: SIZES.xs }
const peakOf = (demand: Demand, nowMs: number): number => demand.peaks(nowMs)[0]?.peak ?? 0

test('ten claims at once count ten, half of it after a while, and nothing after a long time', () => {
  const demand = new Demand()
  for (let i = 0; i < 10; i++) demand.note(xs, 0)
  assert.equal(peakOf(demand, 0), 10)
  assert.equal(Math.round(peakOf(demand, 1_000)), 10)
  assert.equal(peakOf(demand, LIMITS.poolForgetMs), 5)
  assert.ok(peakOf(demand, 10 * LIMITS.poolForgetMs) < 0.1)
})

test('claims that come one after another count by how close they are, however long they go on', () => {
  const peakAt = (everyMs: number): number => {
    const demand = new Demand()
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += everyMs) demand.note(xs, nowMs)
    return peakOf(demand, 3_600_000)
  }
  assert.ok(peakAt(1_000) > 5 && peakAt(1_000) < 10)
  assert.ok(peakAt(60_000) < 1.5)
})

test('a clock that is set back neither loses a claim nor counts one twice', () => {
  const demand = new Demand()
  demand.note(xs, 1_000_000)
  demand.note(xs, 0)
  assert.equal(peakOf(demand, 0), 2)
})

// Callers choose their machines freely, so what is remembered of them needs a bound.
test('of ever more kinds only the busiest are remembered', () => {
  const demand = new Demand()
  for (let i = 0; i < 5; i++) demand.note(xs, 0)
  for (let i = 0; i < 1_000; i++)
    demand.note({ template: 'default', machine: { vcpus: 1, memoryMib: 512 + i, diskMib: 1_024 } }, 0)
  const kinds = demand.peaks(0)
  assert.equal(kinds.length, LIMITS.poolKindsMax)
  assert.ok(kinds.some(({ kind }) => kind.machine.memoryMib === SIZES.xs.memoryMib))
})
