import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextStep, planPool, type Shelf, type Wanted } from '../../../origin/hostd/pool/plan.ts'

const wanted = fc.record({
  floor: fc.nat(4),
  peak: fc.double({ min: 0, max: 12, noNaN: true }),
  costMib: fc.integer({ min: 20, max: 400 }),
})
const kinds = fc
  .array(wanted, { minLength: 1, maxLength: 6 })
  .map((all): Wanted[] => all.map((one, index) => ({ ...one, key: `kind-${index}` })))
const budget = fc.nat(4_000)
const costOf = (all: Wanted[], countOf: (kind: Wanted) => number): number =>
  all.reduce((sum, kind) => sum + countOf(kind) * kind.costMib, 0)

test('a plan keeps every floor, nothing that nobody asked for, and never more than the budget', () => {
  fc.assert(
    fc.property(kinds, budget, (all, budgetMib) => {
      const targets = planPool(all, budgetMib)
      for (const { key, floor, peak } of all) {
        const target = targets.get(key) ?? assert.fail()
        assert.ok(target >= floor && target <= Math.max(floor, Math.round(peak)))
      }
      const floors = costOf(all, ({ floor }) => floor)
      assert.ok(costOf(all, ({ key }) => targets.get(key) ?? 0) <= Math.max(floors, budgetMib))
    }),
  )
})

test('with memory enough, a plan keeps as many of each kind as were asked for at once', () => {
  fc.assert(
    fc.property(kinds, (all) => {
      const targets = planPool(all, 1_000_000)
      for (const { key, floor, peak } of all) assert.equal(targets.get(key), Math.max(floor, Math.round(peak)))
    }),
  )
})

test('asking for more of a kind never leaves fewer of it', () => {
  fc.assert(
    fc.property(kinds, budget, fc.double({ min: 0, max: 6, noNaN: true }), (all, budgetMib, more) => {
      const [first = assert.fail(), ...rest] = all
      const before = planPool(all, budgetMib).get(first.key) ?? 0
      const after = planPool([{ ...first, peak: first.peak + more }, ...rest], budgetMib).get(first.key) ?? 0
      assert.ok(after >= before)
    }),
  )
})

const shelves = fc
  .tuple(kinds, fc.array(fc.nat(15), { minLength: 6, maxLength: 6 }))
  .map(([all, counts]): Shelf[] =>
    all.map((kind, index) => ({ ...kind, count: counts[index] ?? 0, ready: counts[index] ?? 0, isHeld: false })),
  )
const after = (all: Shelf[], key: string, by: number): Shelf[] =>
  all.map((one) => (one.key === key ? { ...one, count: one.count + by, ready: one.ready + by } : one))

// A pool that makes what it then ends burns a processor for nothing, for ever.
test('from any pool the steps come to an end, at the plan or above it, and what was made is not ended again', () => {
  fc.assert(
    fc.property(shelves, budget, (begin, budgetMib) => {
      const made = new Set<string>()
      let all = begin
      let steps = 0
      for (let next = nextStep(all, budgetMib, false); next !== null; next = nextStep(all, budgetMib, false)) {
        if (next.kind === 'make') made.add(next.key)
        else assert.ok(!made.has(next.key))
        all = after(all, next.key, next.kind === 'make' ? 1 : -1)
        assert.ok(++steps < 500)
      }
      const targets = planPool(all, budgetMib)
      for (const { key, count } of all) assert.ok(count >= (targets.get(key) ?? 0))
    }),
  )
})

test('no step makes the pool larger than its budget, or than its floors', () => {
  fc.assert(
    fc.property(shelves, budget, (all, budgetMib) => {
      const next = nextStep(all, budgetMib, false)
      if (next?.kind !== 'make') return
      const floors = costOf(all, ({ floor }) => floor)
      const taken = costOf(after(all, next.key, 1), (kind) => (kind as Shelf).count)
      assert.ok(taken <= Math.max(budgetMib, floors))
    }),
  )
})

test('one whose making failed is left alone, and the others go on', () => {
  const shelf = { floor: 2, peak: 0, costMib: 60, count: 0, ready: 0 }
  const held = { ...shelf, key: 'broken', isHeld: true }
  assert.equal(nextStep([held], 1_000, false), null)
  assert.deepEqual(nextStep([held, { ...shelf, key: 'sound', isHeld: false }], 1_000, false), {
    kind: 'make',
    key: 'sound',
  })
})

// A host whose memory is short refuses every sandbox; a pool that kept it short would refuse them for ever.
test('a pool gives all it has when memory is short, and makes nothing', () => {
  fc.assert(
    fc.property(shelves, budget, (begin, budgetMib) => {
      let all = begin
      for (let next = nextStep(all, budgetMib, true); next !== null; next = nextStep(all, budgetMib, true)) {
        assert.equal(next.kind, 'end')
        all = after(all, next.key, -1)
      }
      assert.ok(all.every(({ ready }) => ready === 0))
    }),
  )
})
