/** Copies of KV and merged lists: what is old is renewed, what fails is survived, what is listed is listed once. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { KeptCopies, type Reading } from '../../../edge/kv/kept-copies.ts'
import { mergePages } from '../../../edge/lists/merge-lists.ts'
import { sumAnswers } from '../../../edge/lists/sum-answers.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { newId, parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'

function aCopy(outlivesFailure: boolean) {
  const copies = new KeptCopies<number>(() => ({ freshMs: 10_000, staleMs: 60_000, outlivesFailure }))
  const background: Promise<unknown>[] = []
  let reads = 0
  let fails = false
  const load = async (): Promise<number> => {
    reads += 1
    if (fails) throw new Error('KV does not answer')
    return reads
  }
  const at = (nowMs: number): Reading => ({ nowMs, inBackground: (work) => void background.push(work) })
  return {
    read: (nowMs: number) => copies.read('key', load, at(nowMs)),
    settled: () => Promise.all(background),
    reads: () => reads,
    failFromNow: () => {
      fails = true
    },
  }
}

test('a fresh copy costs no read, an older one is served while one read renews it, a stale one waits', async () => {
  const copy = aCopy(false)
  assert.equal(await copy.read(0), 1)
  assert.equal(await copy.read(9_999), 1)
  assert.equal(copy.reads(), 1)
  assert.deepEqual(await Promise.all([copy.read(10_000), copy.read(10_001), copy.read(10_002)]), [1, 1, 1])
  await copy.settled()
  assert.equal(copy.reads(), 2)
  assert.equal(await copy.read(10_003), 2)
  assert.equal(await copy.read(70_001), 3)
})

test('when KV fails, keys are served for a minute and configuration for ever', async () => {
  for (const [outlivesFailure, atLast] of [
    [false, 'KV does not answer'],
    [true, 1],
  ] as const) {
    const copy = aCopy(outlivesFailure)
    await copy.read(0)
    copy.failFromNow()
    assert.equal(await copy.read(59_999), 1)
    await copy.settled()
    assert.equal(await copy.read(3_600_000).catch((error: Error) => error.message), atLast)
  }
  const never = aCopy(true)
  never.failFromNow()
  await assert.rejects(never.read(0))
})

test('copies are bounded: the one renewed longest ago is forgotten first', async () => {
  const copies = new KeptCopies<string>(() => ({ freshMs: 10_000, staleMs: 60_000, outlivesFailure: false }))
  const reading: Reading = { nowMs: 0, inBackground: () => undefined }
  for (let key = 0; key <= LIMITS.edgeCacheEntriesMax; key += 1)
    await copies.read(`${key}`, async () => 'first', reading)
  assert.equal(await copies.read('0', async () => 'again', reading), 'again')
  assert.equal(await copies.read(`${LIMITS.edgeCacheEntriesMax}`, async () => 'again', reading), 'first')
})

const anyRow = fc
  .tuple(
    fc.constantFrom('usw1', 'eu1', 'use1'),
    fc.nat({ max: 1_000 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  )
  .map(([region, atMs, random]) => ({ id: newId('sbx', region, atMs, random) }))

test('a merged page is the newest rows of all regions, in order, and says when there are more', () => {
  const momentOf = ({ id }: { id: string }): string => parseId(id)?.ulid ?? ''
  fc.assert(
    fc.property(fc.uniqueArray(anyRow, { selector: momentOf }), fc.integer({ min: 1, max: 20 }), (rows, limit) => {
      const newest = [...rows].sort((a, b) => (momentOf(a) < momentOf(b) ? 1 : -1))
      const pages = ['usw1', 'eu1', 'use1'].map((region) => {
        const own = newest.filter(({ id }) => parseId(id)?.region === region)
        return { data: own.slice(0, limit), next_cursor: own.length > limit ? (own[limit - 1]?.id ?? null) : null }
      })
      const merged = mergePages(pages, limit, [])
      assert.deepEqual(merged.data, newest.slice(0, limit))
      assert.equal(merged.next_cursor, rows.length > limit ? (newest[limit - 1]?.id ?? null) : null)
    }),
  )
})

test('a page without a region names it, and other fields of a row are kept as they are', () => {
  const row = { id: newId('sbx', 'eu1', 1, new Uint8Array(16)), anything: { at: ['all'] } }
  assert.deepEqual(mergePages([{ data: [row] }], 10, ['usw1']), { data: [row], next_cursor: null, partial: ['usw1'] })
})

// A client that lists templates reads which is the default, and starts one of them by its name.
test('templates that every region has are listed once, before the others, and the default one is named', () => {
  const own = ['eu1', 'usw1'].map((region, ms) => ({ id: newId('tpl', region, ms, new Uint8Array(16)) }))
  const builtIn = [{ id: 'default' }, { id: 'node' }]
  const pages = own.map((row) => ({ default_template_id: 'default', data: [...builtIn, row] }))
  assert.deepEqual(mergePages(pages, 10, []), {
    default_template_id: 'default',
    data: [...builtIn, ...own.toReversed()],
    next_cursor: null,
  })
})

test('every environment counts requests at the rates that the tiers promise', () => {
  const toml = readFileSync(new URL('../../../wrangler.toml', import.meta.url), 'utf8')
  for (const [name, { requestsPerMinute }] of Object.entries(DEFAULT_TIERS)) {
    const limits = [...toml.matchAll(new RegExp(`RATE_${name.toUpperCase()}".*limit = (\\d+), period = 60`, 'g'))]
    assert.deepEqual(
      limits.map(([, limit]) => Number(limit)),
      [requestsPerMinute, requestsPerMinute, requestsPerMinute],
      name,
    )
  }
})

test('numbers of regions are added wherever they stand, and rows that say the same in words are one', () => {
  const day = (name: string, seconds: number) => ({ day: name, seconds, currency: 'USD' })
  const one = { total: 1.5, by: { running: 2 }, days: [day('a', 1), day('b', 2)], period: 'month', only_here: 1 }
  const other = { total: 2, by: { running: 3, paused: 4 }, days: [day('b', 5), day('c', 6)], period: 'month' }
  assert.deepEqual(sumAnswers([one, other]), {
    total: 3.5,
    by: { running: 5, paused: 4 },
    days: [day('a', 1), day('b', 7), day('c', 6)],
    period: 'month',
    only_here: 1,
  })
  assert.equal(sumAnswers([0.1, 0.2]), 0.3)
  assert.deepEqual(sumAnswers([null, 3, undefined, 4]), 7)
  assert.equal(sumAnswers([]), null)
})
