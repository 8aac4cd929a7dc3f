import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { collectOwn, ramIn } from '../../../origin/hostd/snapshot/guest-memory.ts'
import {
  decodeRuns,
  encodeRuns,
  type PlacedRun,
  placeRuns,
  type Run,
} from '../../../origin/hostd/snapshot/page-runs.ts'

const PAGES = 200
const anyPages = fc.uniqueArray(fc.nat(PAGES - 1)).map((pages) => pages.sort((a, b) => a - b))

const runsOf = (pages: number[]): Run[] => {
  const words = new Uint32Array(PAGES * 2)
  for (const page of pages) words[page * 2 + 1] = 0x8000_0000
  const runs: Run[] = []
  collectOwn(words, 0, runs)
  return runs
}
const slots = (runs: PlacedRun[]): Map<number, number> =>
  new Map(
    runs.flatMap(({ page, count, slot }) => Array.from({ length: count }, (_, at) => [page + at, slot + at] as const)),
  )

// A page that were given two places, or two pages one, would be another page after a restore.
test('every page has exactly one place in the file, and the one that it had before', () => {
  fc.assert(
    fc.property(anyPages, anyPages, (before, now) => {
      const earlier = placeRuns(runsOf(before), [])
      const placed = placeRuns(runsOf(now), earlier)
      const [was, is] = [slots(earlier), slots(placed)]
      assert.deepEqual([...is.keys()], now)
      assert.equal(new Set(is.values()).size, now.length)
      for (const [page, slot] of is) {
        if (was.has(page)) assert.equal(slot, was.get(page))
        else assert.ok(slot >= before.length)
      }
      assert.deepEqual(decodeRuns(encodeRuns(placed), PAGES), placed)
    }),
    { numRuns: 2_000 },
  )
})

// What is written into a machine's memory by a spoilt index must at least stay within it.
test('an index never leads outside of the memory, whatever stands in it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      try {
        for (const { page, count } of decodeRuns(bytes, PAGES)) assert.ok(page + count <= PAGES)
      } catch (error) {
        assert.ok(error instanceof RangeError)
      }
    }),
  )
})

test('pages are the machine’s own when they are present or swapped out, and not of a file', () => {
  const entry = (...bits: number[]): number[] => [0, bits.reduce((word, bit) => word + 2 ** (bit - 32), 0)]
  const words = new Uint32Array([entry(63), entry(62), entry(63, 61), entry(61), entry(), entry(63, 55)].flat())
  const runs: Run[] = []
  collectOwn(words, 10, runs)
  assert.deepEqual(runs, [
    { page: 10, count: 2 },
    { page: 15, count: 1 },
  ])
})

test('the memory of a machine is the one private mapping of its size, and none when there are two', () => {
  const ram = '7f0000000000-7f0020000000 rw-p 00000000 fe:00 12 /b/memory.raw'
  const code = '7f1000000000-7f1020000000 rwxp 00000000 00:00 0 '
  const other = '7f2000000000-7f2020000000 rw-p 00000000 00:00 0 '
  const bytes = 512 * 1024 * 1024
  assert.deepEqual(ramIn([code, ram].join('\n'), bytes), { address: 0x7f0000000000, pages: bytes / 4_096 })
  assert.equal(ramIn([ram, other].join('\n'), bytes), null)
  assert.equal(ramIn(code, bytes), null)
})
