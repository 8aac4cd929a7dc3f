import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Hold, Holds } from '../../../origin/hostd/snapshot/holds.ts'

const anyNames = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'))
const anyDeed = fc.record({ who: fc.nat(3), names: fc.option(anyNames) })

// A layer that goes too early is a customer's disk; one that never goes fills the host's.
test('what somebody holds stays, and goes once when the last one lets go, whatever they do and however often', () => {
  fc.assert(
    fc.property(fc.array(anyDeed), (deeds) => {
      const freed: string[] = []
      const holds = new Holds((name) => freed.push(name))
      const held = new Map<number, string[]>()
      const hands = new Map<number, Hold>()
      for (const { who, names } of deeds) {
        const before = new Set([...held.values()].flat())
        freed.length = 0
        const hand = hands.get(who) ?? holds.hold([])
        hands.set(who, hand)
        if (names === null) hand.release()
        else hand.change(names)
        held.set(who, names ?? [])
        const after = new Set([...held.values()].flat())
        assert.deepEqual(freed.toSorted(), [...before].filter((name) => !after.has(name)).toSorted())
        for (const name of ['a', 'b', 'c', 'd']) assert.equal(holds.isHeld(name), after.has(name))
      }
    }),
    { numRuns: 1_000 },
  )
})
