/** Those who wait for slots: each is told once, and never that there are more than there are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Asked, Exchanged } from '../../../origin/controller/quota/exchange.ts'
import { createWaitingLine } from '../../../origin/controller/quota/waiting-line.ts'

const share = (room: number): Exchanged => ({ kind: 'share', room, granted: 9, limit: 9, running: 9, tier: 'free' })

test('as many are asked for as all who wait want, and those for whom it suffices are told to try again', async () => {
  const asked: Asked[] = []
  const rooms = [4, 0]
  const line = createWaitingLine(async (_, what) => {
    asked.push(what)
    return share(rooms.shift() ?? 0)
  })
  // The first one is asked for by itself; the others come while that is under way.
  const outcomes = await Promise.all([line.wait('t', 1), line.wait('t', 3), line.wait('t', 8)])
  assert.equal(outcomes[0], 'again')
  assert.deepEqual(
    asked.map(({ want, atLeast }) => [want, atLeast]),
    [
      [1, 1],
      [11, 3],
    ],
  )
  assert.ok(outcomes.slice(1).every((outcome) => outcome !== 'again' && outcome.kind === 'share'))
})

test('who wants more than there is keeps nobody behind from what there is', async () => {
  const rooms = [0, 2, 0]
  const line = createWaitingLine(async () => share(rooms.shift() ?? 0))
  const [, fork, small] = await Promise.all([line.wait('t', 1), line.wait('t', 8), line.wait('t', 2)])
  assert.equal(small, 'again')
  assert.notEqual(fork, 'again')
})

test('no more slots are given out than there are, and nobody waits for ever', async () => {
  const anyLine = fc.tuple(
    fc.array(fc.integer({ min: 1, max: 32 }), { minLength: 1 }),
    fc.array(fc.nat(40), { maxLength: 8 }),
  )
  await fc.assert(
    fc.asyncProperty(anyLine, async ([wants, rooms]) => {
      const total = rooms.reduce((sum, room) => sum + room, 0)
      const line = createWaitingLine(async () => share(rooms.shift() ?? 0))
      const outcomes = await Promise.all(wants.map((want) => line.wait('t', want)))
      const given = wants.filter((_, place) => outcomes[place] === 'again')
      assert.ok(given.reduce((sum, want) => sum + want, 0) <= total)
    }),
  )
})
