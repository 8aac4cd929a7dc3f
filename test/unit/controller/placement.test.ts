/** Placement: never a host that cannot take the machine, always one when there is one, and the same one for the same offers and lot. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLedger, type Offer, roomFor } from '../../../origin/controller/placement/ledger.ts'
import { PLACEMENTS, pickHost, type Wish } from '../../../origin/controller/placement/pick-host.ts'
import { regionCapacity } from '../../../origin/controller/placement/region-capacity.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { SIZES } from '../../../shared/machines.ts'

const anyOffer = (host: string): fc.Arbitrary<Offer> =>
  fc
    .record({
      cordoned: fc.boolean(),
      tenant: fc.constantFrom(null, 'mine', 'theirs'),
      accepting: fc.boolean(),
      draining: fc.boolean(),
      templates: fc.subarray(['default', 'other']),
      memory_mib: fc.nat(64_000),
      disk_mib: fc.nat(500_000),
      vms_max: fc.nat(10),
      primed: fc.nat(2),
      reserved: fc.record({ memoryMib: fc.nat(64_000), diskMib: fc.nat(500_000), vms: fc.nat(10) }),
    })
    .map(({ primed, reserved, cordoned, tenant, ...offer }) => ({
      host,
      reserved,
      cordoned,
      tenant,
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
const anyOffers = fc.tuple(...['a', 'b', 'c', 'd', 'e'].map(anyOffer))
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const anyWish: fc.Arbitrary<Wish> = fc.record({
  tenant: fc.constant('mine'),
  template: fc.constant('default'),
  machine: fc.constant(SIZES.small),
  except: fc.subarray(['a', 'b']).map((names) => new Set(names)),
  placement: fc.constantFrom(...PLACEMENTS),
  lot: fc.tuple(draw, draw),
})

/** The rules once more, in other words. */
const fits = (offer: Offer, { except }: Wish): boolean => {
  const { accepting, draining, templates, memory_mib, disk_mib, vms_max } = offer.capacity
  const { memoryMib, diskMib, vms } = offer.reserved
  return (
    !except.has(offer.host) &&
    offer.tenant !== 'theirs' &&
    !offer.cordoned &&
    accepting &&
    !draining &&
    templates.includes('default') &&
    vms < vms_max &&
    memoryMib + SIZES.small.memoryMib <= memory_mib &&
    diskMib + SIZES.small.diskMib <= disk_mib
  )
}
const isPrimed = (offer: Offer): boolean => (offer.capacity.pool['default@small'] ?? 0) > 0
const room = (offer: Offer): number => roomFor(offer, SIZES.small)

/** The one that was picked, and all that would have fitted. */
function pick(offers: Offer[], wish: Wish): { chosen: Offer | undefined; fitting: Offer[] } {
  const name = pickHost(offers, wish)
  return { chosen: offers.find(({ host }) => host === name), fitting: offers.filter((offer) => fits(offer, wish)) }
}

// A cordoned host, one without room, or another customer's own machine must never receive anything.
test('a host is picked exactly when one fits, and the one that is picked fits', () => {
  fc.assert(
    fc.property(anyOffers, anyWish, (offers, wish) => {
      const { chosen, fitting } = pick(offers, wish)
      assert.equal(chosen === undefined, fitting.length === 0)
      if (chosen !== undefined) assert.ok(fits(chosen, wish))
    }),
    { numRuns: 3_000 },
  )
})

test("a tenant's own machine comes first, a primed one next, and the order of the offers does not matter", () => {
  fc.assert(
    fc.property(anyOffers, anyWish, (offers, wish) => {
      const { chosen, fitting } = pick(offers, wish)
      assert.equal(pickHost(offers.toReversed(), wish), chosen?.host)
      if (chosen === undefined) return
      const own = fitting.filter(({ tenant }) => tenant === 'mine')
      if (own.length > 0) assert.ok(own.includes(chosen))
      const level = own.length > 0 ? own : fitting
      if (level.some(isPrimed)) assert.ok(isPrimed(chosen))
    }),
    { numRuns: 2_000 },
  )
})

test('who packs takes the fullest of the equals, and who spreads never the fullest of three that differ', () => {
  fc.assert(
    fc.property(anyOffers, anyWish, (offers, wish) => {
      const { chosen, fitting } = pick(offers, wish)
      if (chosen === undefined) return
      const equals = fitting.filter((offer) => offer.tenant === chosen.tenant && isPrimed(offer) === isPrimed(chosen))
      const fullest = Math.min(...equals.map(room))
      if (wish.placement === 'pack') assert.equal(room(chosen), fullest)
      else if (new Set(equals.map(room)).size === equals.length && equals.length > 1) assert.ok(room(chosen) > fullest)
    }),
    { numRuns: 2_000 },
  )
})

// Several controllers look at ledgers that are equally old; by the most room alone all would choose one host until the next poll.
test('a stale ledger of equal hosts spreads what is placed by it over all of them', () => {
  const [like] = fc.sample(
    anyOffer('like').filter((offer) => offer.tenant === null && fits(offer, plainWish([0, 0]))),
    1,
  )
  assert.ok(like)
  const offers = Array.from({ length: 10 }, (_, n) => ({ ...like, host: `h${n}` }))
  const counts = new Map<string, number>()
  for (let n = 0; n < 10_000; n++) {
    const host = pickHost(offers, plainWish([Math.random(), Math.random()])) ?? ''
    counts.set(host, (counts.get(host) ?? 0) + 1)
  }
  assert.equal(counts.size, 10)
  assert.ok(Math.max(...counts.values()) < 1_500)
})

const plainWish = (lot: [number, number]): Wish => ({
  tenant: 'mine',
  template: 'default',
  machine: SIZES.small,
  except: new Set(),
  placement: 'spread',
  lot,
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
