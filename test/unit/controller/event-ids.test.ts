/** Ids of events: they bring their place back, to the region that gave them, and to nobody in any other form. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createEventIds } from '../../../origin/controller/events/event-ids.ts'
import { nameFor } from '../../../origin/controller/events/match-event.ts'
import { EVENT_PATTERN } from '../../../shared/contracts/events.ts'
import { AppError } from '../../../shared/errors.ts'
import { CROCKFORD, newId, parseId } from '../../../shared/ids.ts'

const here = createEventIds('a secret of the installation', 'usw1')
const position = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const moment = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
const refuses = (ids: typeof here, id: string): void =>
  assert.throws(
    () => ids.positionOf(id),
    (thrown) => thrown instanceof AppError && thrown.code === 'invalid_request',
  )

test('an id is one of ours in shape, always the same, and brings its place back', () => {
  fc.assert(
    fc.property(position, moment, (place, at) => {
      const id = here.of(place, at)
      assert.equal(parseId(id, 'evt')?.region, 'usw1')
      assert.equal(here.of(place, at), id)
      assert.equal(here.positionOf(id), place)
    }),
  )
})

// With a checksum that is right again, too: anybody can compute that.
test('an id that was changed is refused, whatever was changed', () => {
  const change = fc.record({ at: fc.integer({ min: 0, max: 25 }), to: fc.constantFrom(...CROCKFORD) })
  let passed = 0
  fc.assert(
    fc.property(position, moment, change, (place, at, { at: index, to }) => {
      const { ulid = '' } = parseId(here.of(place, at), 'evt') ?? {}
      if (ulid[index] === to || (index === 0 && to > '7')) return
      const changed = ulid.slice(0, index) + to + ulid.slice(index + 1)
      const time = Array.from(changed.slice(0, 10)).reduce((sum, char) => sum * 32 + CROCKFORD.indexOf(char), 0)
      const random = Uint8Array.from(changed.slice(10), (char) => CROCKFORD.indexOf(char))
      const forged = newId('evt', 'usw1', time, random)
      try {
        if (here.positionOf(forged) !== place) passed += 1
      } catch {
        return
      }
    }),
    { numRuns: 500 },
  )
  // The proof has 16 bits: one of 65,536 forgeries is believed, and leads its sender to another place among its own events.
  assert.ok(passed <= 2, `${passed} of 500`)
})

test('an id of another region, or of another installation, is refused', () => {
  for (const other of [
    createEventIds('a secret of the installation', 'eu1'),
    createEventIds('another secret', 'usw1'),
  ]) {
    const ids = [1, 2, 3, 4].map((place) => other.of(place, new Date(1_700_000_000_000)))
    for (const id of ids) refuses(here, id)
  }
})

test('two ids of neighbouring places tell nothing of how near they are', () => {
  const bodies = [1, 2].map((place) => here.of(place, new Date(1_700_000_000_000 + place)).slice(19, 32))
  const same = Array.from(bodies[0] ?? '').filter((char, index) => char === bodies[1]?.[index]).length
  assert.ok(same < 8, `${same} of 13 characters are the same`)
})

test('a wish is a name, or a beginning of names', () => {
  const table: [string, string, boolean][] = [
    ['sandbox.paused', 'sandbox.paused', true],
    ['sandbox.paused', 'sandbox.paused.twice', false],
    ['sandbox.*', 'sandbox.paused', true],
    ['sandbox.*', 'sandboxes.paused', false],
    ['*', 'anything.at.all', true],
  ]
  for (const [pattern, type, wanted] of table)
    assert.equal(nameFor([pattern], type), wanted ? type : undefined, `${pattern} ${type}`)
  for (const wrong of ['', '.', 'sandbox.', 'sand*', '**', 'Sandbox.*', 'a..b', '*.b'])
    assert.ok(!EVENT_PATTERN.test(wrong), wrong)
})
