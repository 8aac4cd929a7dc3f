import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { freeBySize, refusalOf, shortageOf, unpromised } from '../../../origin/hostd/capacity/room.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { SIZE_NAMES, SIZES } from '../../../shared/machines.ts'

const plenty = { memoryTotalMib: 1e6, memoryAvailableMib: 1e6, diskTotalMib: 1e7, diskAvailableMib: 1e7 }
const anySize = fc.constantFrom(...SIZE_NAMES)
const anyPromises = fc.record({ memoryMib: fc.nat(300_000), diskMib: fc.nat(3_000_000), vms: fc.nat(50) })

// The controller places by these numbers, so one too many is a refused create and one too few is room that nobody gets.
test('exactly as many sandboxes of a size are accepted as were offered', () => {
  fc.assert(
    fc.property(anyPromises, anySize, fc.nat(40_000), (promises, size, memoryTotalMib) => {
      const facts = { ...plenty, memoryTotalMib }
      const held = []
      const offered = freeBySize(promises, facts)[size] ?? 0
      while (refusalOf(SIZES[size], unpromised(promises, held), facts) === null) held.push(SIZES[size])
      assert.equal(held.length, offered)
    }),
  )
})

test('whatever is held, the promises are never exceeded', () => {
  fc.assert(
    fc.property(anyPromises, fc.array(anySize, { maxLength: 60 }), (promises, wishes) => {
      const held = []
      for (const size of wishes)
        if (refusalOf(SIZES[size], unpromised(promises, held), plenty) === null) held.push(SIZES[size])
      const left = unpromised(promises, held)
      assert.ok(left.memoryMib >= 0 && left.diskMib >= 0 && left.vms >= 0)
    }),
  )
})

test('a host short of real memory or disk starts nothing, however little was promised', () => {
  const memory = { ...plenty, memoryAvailableMib: LIMITS.hostMemoryReserveMib + LIMITS.vmStartMemoryMib - 1 }
  const disk = { ...plenty, diskAvailableMib: LIMITS.hostDiskReserveMib - 1 }
  assert.equal(shortageOf(SIZES.xs, memory)?.code, 'host_memory_exhausted')
  assert.equal(shortageOf(SIZES.xs, disk)?.code, 'host_disk_exhausted')
  assert.equal(shortageOf(SIZES.xs, plenty), null)
})

// The kernel would refuse to map it, and the caller would be told to try again.
test('a size with more memory than the host has at all is never offered', () => {
  const small = { ...plenty, memoryTotalMib: SIZES.xl.memoryMib - 1 }
  const promises = { memoryMib: 1e6, diskMib: 1e8, vms: 100 }
  assert.equal(freeBySize(promises, small).xl, 0)
  assert.equal(refusalOf(SIZES.xl, promises, small)?.code, 'capacity_exhausted')
  assert.notEqual(freeBySize(promises, small).large, 0)
})
