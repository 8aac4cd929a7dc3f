import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { ID_KINDS, idToLabel, isWellFormedApiKey, labelToId, newApiKey, newId, parseId } from '../../../shared/ids.ts'

const anyKind = fc.constantFrom(...ID_KINDS)
const anyRegion = fc.stringMatching(/^[a-z][a-z0-9]{1,5}$/)
const anyTime = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const anyRandom = fc.uint8Array({ minLength: 16, maxLength: 16 })
const anyId = fc.tuple(anyKind, anyRegion, anyTime, anyRandom).map((parts) => newId(...parts))

test('an id gives back its kind and region, and survives a host name', () => {
  fc.assert(
    fc.property(anyKind, anyRegion, anyTime, anyRandom, (kind, region, time, random) => {
      const id = newId(kind, region, time, random)
      assert.equal(parseId(id)?.kind, kind)
      assert.equal(parseId(id)?.region, region)
      assert.equal(labelToId(idToLabel(id)), id)
      assert.ok(`65535-${idToLabel(id)}`.length <= 63, 'a DNS label has at most 63 characters')
    }),
  )
})

// A mistyped id must be a 404 without asking any region; 15 bits of CRC find every single wrong character.
test('an id with one wrong character is no id', () => {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
  fc.assert(
    fc.property(anyId, fc.nat(), fc.constantFrom(...alphabet), (id, where, char) => {
      const at = id.length - 1 - (where % 29)
      fc.pre(id[at] !== char)
      assert.equal(parseId(id.slice(0, at) + char + id.slice(at + 1)), null)
    }),
    { numRuns: 2_000 },
  )
})

test('arbitrary text is never an id, and an id of one kind is not of another', () => {
  fc.assert(fc.property(fc.string(), (text) => assert.equal(parseId(text), null)))
  const id = newId('sbx', 'usw1', Date.now(), randomBytes(16))
  assert.equal(parseId(id, 'exec'), null)
  assert.equal(parseId(id.toUpperCase()), null)
})

test('ids sort by the millisecond they were made in', () => {
  const early = newId('sbx', 'usw1', 1_000, randomBytes(16))
  const late = newId('sbx', 'usw1', 2_000, randomBytes(16))
  assert.ok(early < late)
})

test('an API key is well formed, and is not when one character of it is wrong', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(), (random, where) => {
      const key = newApiKey('live', random)
      assert.ok(isWellFormedApiKey(key))
      const at = 'atl_live_'.length + (where % 38)
      const wrong = key[at] === 'z' ? 'y' : 'z'
      assert.ok(!isWellFormedApiKey(key.slice(0, at) + wrong + key.slice(at + 1)))
    }),
  )
  assert.ok(!isWellFormedApiKey('msk_u_something'))
})
