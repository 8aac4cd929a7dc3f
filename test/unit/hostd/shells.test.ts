import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Shells } from '../../../origin/hostd/machine/shells.ts'
import { createMetrics } from '../../../origin/hostd/metrics/instruments.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { until } from '../../harness/until.ts'

/** Shells that are only counted. */
function counted() {
  const seen = { made: 0, ended: 0 }
  const deaths: (() => void)[] = []
  const make = async () => {
    seen.made += 1
    const undo = new AsyncDisposableStack()
    undo.defer(() => {
      seen.ended += 1
    })
    const closed = new Promise<void>((resolve) => deaths.push(resolve))
    return { name: `m-${seen.made}`, undo, qmp: { closed } }
  }
  return { seen, deaths, make }
}

type Counted = Awaited<ReturnType<ReturnType<typeof counted>['make']>>

const options = {
  count: 2,
  turn: async () => {},
  isMemoryShort: () => false,
  claims: createMetrics().shellClaims,
  log: () => {},
}
/** So many are made, and no more for a while. */
async function filled(seen: { made: number }, made: number): Promise<void> {
  await until(`${made} to be made`, () => seen.made >= made)
  await sleep(4 * LIMITS.poolRefillPauseMs)
  assert.equal(seen.made, made)
}

test('what was asked for once waits the next time, as many as there should be, and is made again when it is taken', async () => {
  const { seen, make } = counted()
  const shells = new Shells<Counted>(options)
  assert.equal(shells.take('a', make), null)
  await filled(seen, 2)
  const taken = [shells.take('a', make), shells.take('a', make), shells.take('a', make)]
  assert.deepEqual(
    taken.map((shell) => shell?.name),
    ['m-1', 'm-2', undefined],
  )
  await filled(seen, 4)
  await shells.close()
  assert.deepEqual(seen, { made: 4, ended: 2 })
})

// Callers choose their machines freely, so processes for each of them need a bound.
test('only those asked for last are kept, and none when memory is short or nobody wants any', async () => {
  const { seen, make } = counted()
  const shells = new Shells<Counted>({ ...options, count: 1 })
  for (let base = 0; base < 3 * LIMITS.shellBasesMax; base++) shells.take(`base-${base}`, make)
  await until('all to be made', () => seen.made - seen.ended === LIMITS.shellBasesMax)
  await sleep(4 * LIMITS.poolRefillPauseMs)
  assert.equal(seen.made - seen.ended, LIMITS.shellBasesMax)
  assert.equal(shells.take('base-0', make), null)
  await shells.close()
  assert.equal(seen.made, seen.ended)
  for (const without of [{ count: 0 }, { isMemoryShort: () => true }]) {
    const none = new Shells<Counted>({ ...options, ...without })
    none.take('a', make)
    await sleep(12 * LIMITS.poolRefillPauseMs)
    assert.equal(none.take('a', make), null)
    await none.close()
  }
})

test('one that dies while it waits is freed and given to nobody', async () => {
  const { seen, deaths, make } = counted()
  const shells = new Shells<Counted>(options)
  shells.take('a', make)
  await filled(seen, 2)
  deaths[0]?.()
  await sleep(0)
  assert.equal(seen.ended, 1)
  assert.equal(shells.take('a', make)?.name, 'm-2')
  await shells.close()
})
