/** Placement: never a host that cannot take the machine, always one when there is one, and the same one for the same offers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLedger, type Offer, roomFor } from '../../../origin/controller/placement/ledger.ts'
import { pickHost } from '../../../origin/controller/placement/pick-host.ts'
import { regionCapacity } from '../../../origin/controller/placement/region-capacity.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { SIZES } from '../../../shared/machines.ts'

const anyOffer = (host: string): fc.Arbitrary<Offer> =>
  fc
    .record({
      accepting: fc.boolean(),
      draining: fc.boolean(),
      templates: fc.subarray(['default', 'other']),
      memory_mib: fc.nat(64_000),
      disk_mib: fc.nat(500_000),
      vms_max: fc.nat(10),
      primed: fc.nat(2),
      reserved: fc.record({ memoryMib: fc.nat(64_000), diskMib: fc.nat(500_000), vms: fc.nat(10) }),
    })
    .map(({ primed, reserved, ...offer }) => ({
      host,
      reserved,
      seenAtMs: 0,
      capacity: {
        ...offer,
        accel: 'tcg',
        vcpus: 2,
        running: 1,
        paused: 1,
        free: { small: 3 },
        pool: { 'default@small': primed },
        memory_available_mib: 1,
        disk_available_mib: 1,
      },
    }))
const anyOffers = fc.tuple(anyOffer('a'), anyOffer('b'), anyOffer('c'))
const wish = { template: 'default', machine: SIZES.small, except: new Set<string>() }
const fits = (offer: Offer): boolean => offer.capacity.templates.includes('default') && roomFor(offer, SIZES.small) > 0

test('a host is picked exactly when one fits, and the one that is picked fits', () => {
  fc.assert(
    fc.property(anyOffers, (offers) => {
      const picked = pickHost(offers, wish)
      const chosen = offers.find(({ host }) => host === picked)
      assert.equal(chosen === undefined, !offers.some(fits))
      if (chosen !== undefined) assert.ok(fits(chosen))
    }),
    { numRuns: 2_000 },
  )
})

test('a primed machine is preferred, a host that was tried is not asked again, and order does not matter', () => {
  fc.assert(
    fc.property(anyOffers, (offers) => {
      const picked = pickHost(offers, wish)
      assert.equal(pickHost(offers.toReversed(), wish), picked)
      const isPrimed = (offer: Offer): boolean => (offer.capacity.pool['default@small'] ?? 0) > 0
      const chosen = offers.find(({ host }) => host === picked)
      if (chosen !== undefined && offers.some((offer) => fits(offer) && isPrimed(offer))) assert.ok(isPrimed(chosen))
      if (picked !== undefined) assert.notEqual(pickHost(offers, { ...wish, except: new Set([picked]) }), picked)
    }),
    { numRuns: 2_000 },
  )
})

test('the region never says that more fits than its open hosts have, and a draining region has no room', () => {
  fc.assert(
    fc.property(anyOffers, (offers) => {
      const facts = { region: 'usw1', ts: 1, seq: 1, draining: false, load: 0 }
      const room = offers.reduce((sum, offer) => sum + roomFor(offer, SIZES.small), 0)
      assert.ok((regionCapacity(offers, facts).free.small ?? 0) <= room)
      const draining = regionCapacity(offers, { ...facts, draining: true })
      assert.deepEqual([draining.accepting, draining.free.small], [false, 0])
    }),
  )
})

test('a host that was not heard of for too long receives nothing, and a promise counts at once', () => {
  fc.assert(
    fc.property(anyOffer('a'), (offer) => {
      let now = 0
      const ledger = createLedger(() => now)
      ledger.observe(offer)
      const before = roomFor(offer, SIZES.small)
      ledger.promise('a', SIZES.small)
      const [after] = ledger.offers()
      assert.ok(after)
      assert.ok(before === 0 || roomFor(after, SIZES.small) < before)
      now = LIMITS.hostLostAfterMs
      assert.deepEqual(ledger.offers(), [])
      assert.equal(ledger.load(), 1)
    }),
  )
})
