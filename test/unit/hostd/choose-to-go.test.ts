import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseToGo, type Shelved } from '../../../origin/hostd/template/choose-to-go.ts'

const anyShelf = fc
  .array(fc.record({ usedAtMs: fc.nat(20), isPresent: fc.boolean(), isNeeded: fc.boolean() }), { maxLength: 12 })
  .map((all) => all.map((one, index): Shelved => ({ key: `t${index}`, ...one })))
const goesBefore = (a: Shelved, b: Shelved): boolean =>
  a.isPresent === b.isPresent ? a.usedAtMs < b.usedAtMs : b.isPresent

// One that goes although it is needed is a pool that is empty for a minute; one that stays for nothing is a size that boots for a week.
test('what is needed stays, of the rest the strangers and the longest unused go, and no more than one more takes', () => {
  fc.assert(
    fc.property(anyShelf, fc.nat(3), fc.integer({ min: 1, max: 8 }), (shelved, making, countMax) => {
      const { go, hasRoom } = chooseToGo(shelved, making, countMax)
      const gone = shelved.filter(({ key }) => go.includes(key))
      const staying = shelved.filter(({ key }) => !go.includes(key))
      assert.equal(gone.length, new Set(go).size)
      assert.ok(gone.every(({ isNeeded }) => !isNeeded))
      const spare = staying.filter(({ isNeeded }) => !isNeeded)
      for (const one of gone) assert.ok(!spare.some((other) => goesBefore(other, one)))
      const left = staying.length + making
      assert.equal(hasRoom, left + 1 <= countMax)
      if (!hasRoom) assert.deepEqual(spare, [])
      if (gone.length > 0) assert.ok(left + 1 >= countMax)
    }),
    { numRuns: 2_000 },
  )
})
