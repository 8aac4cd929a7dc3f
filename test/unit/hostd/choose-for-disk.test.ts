import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseForDisk } from '../../../origin/hostd/standby/choose.ts'
import { VM_STATES } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'

const NOW_MS = 1_000_000
const anyVm = fc.record({
  id: fc.uuid(),
  state: fc.constantFrom(...VM_STATES),
  pausedAtMs: fc.option(fc.nat(NOW_MS)),
  machine: fc.constantFrom(null, {}),
})
const anyHost = fc.record({
  vms: fc.array(anyVm, { maxLength: 20 }),
  afterMs: fc.nat(NOW_MS),
  memoryAvailableMib: fc.nat(2 * LIMITS.standbyMemoryMib),
})
type Drawn = typeof anyHost extends fc.Arbitrary<infer T> ? T : never
const choose = ({ vms, afterMs, memoryAvailableMib }: Drawn) =>
  chooseForDisk(vms, afterMs, { nowMs: NOW_MS, memoryAvailableMib })

// What runs would stop without anybody having asked for it, and what is on disk has nothing to write.
test('only what stands in memory goes to disk, those that have stood longest first', () => {
  fc.assert(
    fc.property(anyHost, (host) => {
      const chosen = choose(host)
      assert.ok(chosen.every(({ state, machine }) => state === 'paused' && machine !== null))
      const since = chosen.map(({ pausedAtMs }) => pausedAtMs ?? NOW_MS)
      assert.deepEqual(
        since,
        since.toSorted((a, b) => a - b),
      )
    }),
  )
})

// Somebody comes back from lunch to a sandbox that answers at once, unless its memory is needed by another.
test('nobody goes before the time, unless memory is short: then everybody who stands does', () => {
  fc.assert(
    fc.property(anyHost, (host) => {
      const standing = host.vms.filter(({ state, machine }) => state === 'paused' && machine !== null)
      const isShort = host.memoryAvailableMib < LIMITS.standbyMemoryMib
      const isDue = (pausedAtMs: number | null) => NOW_MS - (pausedAtMs ?? NOW_MS) >= host.afterMs
      const expected = standing.filter(({ pausedAtMs }) => isShort || isDue(pausedAtMs))
      assert.deepEqual(new Set(choose(host)), new Set(expected))
    }),
  )
})
