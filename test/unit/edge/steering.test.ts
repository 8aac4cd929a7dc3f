/** Which region a request goes to, decided without a clock and without a network. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { classifyRequest } from '../../../edge/requests/classify-request.ts'
import { distanceKm, estimateRttMs } from '../../../edge/steering/estimate-rtt.ts'
import { blendLoad, hasRoom, parseLoad } from '../../../edge/steering/load.ts'
import { parseWish } from '../../../edge/steering/named-regions.ts'
import { planRoute, type Said } from '../../../edge/steering/plan-route.ts'
import { type Candidate, rankRegions, scoreOf } from '../../../edge/steering/rank-regions.ts'
import { geoClaim, whereabouts } from '../../../edge/steering/whereabouts.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Region, RegionRegistry } from '../../../shared/regions.ts'
import { EAST, EUROPE, REGISTRY, WEST } from './regions-of-tests.ts'

const point = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
})
const candidates = (...regions: Region[]): Candidate[] => regions.map((region) => ({ region, load: 0, isUsable: true }))
const FROM_BERLIN = { point: { lat: 52.5, lon: 13.4 }, continent: 'EU' }
const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : String(error))
const codes = (regions: readonly Region[]): string[] => regions.map(({ code }) => code)

test('distance is the same there and back, zero at home, and at most half round the earth', () => {
  fc.assert(
    fc.property(point, point, (a, b) => {
      assert.ok(Math.abs(distanceKm(a, b) - distanceKm(b, a)) < 1e-6)
      assert.ok(distanceKm(a, a) < 1e-3)
      assert.ok(distanceKm(a, b) <= 20_038)
    }),
  )
  assert.ok(Math.abs(distanceKm(WEST, EUROPE) - 9_140) < 100)
})

test('the less is known of a client, the less is claimed: point, continent, default region', () => {
  const nearest = (from: Parameters<typeof estimateRttMs>[0]): string | undefined =>
    [...REGISTRY.regions].sort((a, b) => estimateRttMs(from, a, 'usw1') - estimateRttMs(from, b, 'usw1'))[0]?.code
  assert.equal(nearest(FROM_BERLIN), 'eu1')
  assert.equal(nearest({ point: { lat: 40.7, lon: -74 }, continent: 'NA' }), 'use1')
  assert.equal(nearest({ point: null, continent: 'AF' }), 'eu1')
  assert.equal(nearest({ point: null, continent: 'SA' }), 'usw1')
  assert.equal(nearest({ point: null, continent: null }), 'usw1')
  assert.equal(nearest({ point: null, continent: 'XX' }), 'usw1')
})

test('geography that makes no sense counts as none, whatever it is', () => {
  assert.deepEqual(whereabouts({ latitude: '52.5', longitude: '13.4', continent: 'EU' }, null), FROM_BERLIN)
  assert.deepEqual(whereabouts({ latitude: '', longitude: '13' }, 'EU'), { point: null, continent: 'EU' })
  fc.assert(
    fc.property(fc.object(), (geography) => {
      const { point: found, continent } = whereabouts(geography, null)
      assert.ok(found === null || (Math.abs(found.lat) <= 90 && Math.abs(found.lon) <= 180))
      assert.ok(continent === null || continent.length === 2)
      geoClaim(geography)
    }),
  )
})

test('the choice is always an active region, every active region follows, and the same question has the same answer', () => {
  const anyCandidates = fc.array(
    fc.record({
      load: fc.double({ min: 0, max: 1, noNaN: true }),
      isUsable: fc.boolean(),
      status: fc.constantFrom('active', 'draining', 'down'),
    }),
    { minLength: 3, maxLength: 3 },
  )
  fc.assert(
    fc.property(anyCandidates, point, fc.string(), (parts, from, tenant) => {
      const all = REGISTRY.regions.flatMap((region, index): Candidate[] => {
        const part = parts[index]
        return part === undefined
          ? []
          : [{ region: { ...region, status: part.status }, load: part.load, isUsable: part.isUsable }]
      })
      const ranked = rankRegions(all, { point: from, continent: null }, tenant, 'usw1')
      const active = all.filter(({ region }) => region.status === 'active')
      const usable = active.filter(({ isUsable }) => isUsable)
      assert.ok(ranked.every((region) => region.status === 'active'))
      assert.deepEqual(new Set(ranked), new Set((usable.length > 0 ? usable : active).map(({ region }) => region)))
      assert.deepEqual(codes(ranked), codes(rankRegions(all, { point: from, continent: null }, tenant, 'usw1')))
    }),
  )
})

test('the choice is never more than 15% worse than the best score', () => {
  fc.assert(
    fc.property(point, fc.string(), (at, tenant) => {
      const from = { point: at, continent: null }
      const all = candidates(...REGISTRY.regions)
      const [chosen] = rankRegions(all, from, tenant, 'usw1')
      const scores = all.map((candidate) => ({ code: candidate.region.code, score: scoreOf(candidate, from, 'usw1') }))
      const best = Math.min(...scores.map(({ score }) => score))
      assert.ok((scores.find(({ code }) => code === chosen?.code)?.score ?? Infinity) <= best * 1.15)
    }),
  )
})

test('of two equally near regions a tenant keeps to one, tenants spread over both, and a busy one is avoided', () => {
  const twin = { ...WEST, code: 'usw2' }
  const from = { point: { lat: 37.4, lon: -122.1 }, continent: 'NA' }
  const tenants = Array.from({ length: 200 }, (_, index) => `ten_${index}`)
  const first = tenants.filter((tenant) => rankRegions(candidates(WEST, twin), from, tenant, 'usw1')[0] === WEST)
  assert.ok(first.length > 50 && first.length < 150, `${first.length} of 200`)
  const busy = candidates(WEST, twin).map((one) => (one.region === WEST ? { ...one, load: 0.14 } : one))
  assert.ok(tenants.every((tenant) => rankRegions(busy, from, tenant, 'usw1')[0] === twin))
})

test("when nothing is usable the nearest active region is tried; a region's own successors come next", () => {
  const none = candidates(WEST, EAST, EUROPE).map((one) => ({ ...one, isUsable: false }))
  assert.deepEqual(codes(rankRegions(none, FROM_BERLIN, 'ten', 'usw1')), ['eu1', 'use1', 'usw1'])
  assert.deepEqual(rankRegions([], FROM_BERLIN, 'ten', 'usw1'), [])
})

test('room: a full or closed region is left out, an old or missing record says nothing', () => {
  const record = {
    region: 'eu1',
    ts: 1_000_000,
    seq: 1,
    accepting: true,
    draining: false,
    free: { small: 1, xl: 0 },
    pool: {},
    running: 0,
    paused: 0,
    load: 0.4,
  }
  const soonMs = record.ts + LIMITS.capacityStaleMs
  assert.equal(hasRoom(record, 'small', soonMs), true)
  assert.equal(hasRoom(record, 'xl', soonMs), false)
  assert.equal(hasRoom(record, 'odd', soonMs), true)
  assert.equal(hasRoom(record, null, soonMs), true)
  assert.equal(hasRoom({ ...record, accepting: false }, 'small', soonMs), false)
  assert.equal(hasRoom({ ...record, accepting: false, draining: true }, 'xl', soonMs + 1), true)
  assert.equal(hasRoom(null, 'xl', soonMs), true)
  assert.equal(blendLoad(record, { load: 0.8, atMs: soonMs }, soonMs), 0.6000000000000001)
  assert.equal(blendLoad(record, { load: 0.8, atMs: 0 }, soonMs), 0.4)
  assert.equal(blendLoad(null, null, soonMs), 0)
  assert.deepEqual(['0.5', '1', '1.9', '-1', 'NaN', '', null].map(parseLoad), [0.5, 1, 1, null, null, null, null])
})

test('what callers say about regions is understood, or refused with what would be', () => {
  const said = (text: string | null): unknown => {
    try {
      const wish = parseWish(text, REGISTRY)
      return wish === null ? null : [codes(wish.regions), wish.orAny]
    } catch (error) {
      return codeOf(error)
    }
  }
  assert.deepEqual(said('us-west, EU1 ,eu'), [['usw1', 'eu1'], false])
  assert.deepEqual(said('eu,any'), [['eu1'], true])
  for (const nothing of [null, '', ' , ', 'any', 'auto', 'any,auto']) assert.equal(said(nothing), null, String(nothing))
  assert.equal(said('mars'), 'unknown_region')
  assert.equal(said('eu,mars'), 'unknown_region')
  assert.equal(said('a,b,c,d,e,f,g,h,i'), 'invalid_header')
  assert.equal(said(`eu${' '.repeat(300)}`), 'invalid_header')
})

const NOTHING_SAID: Said = { header: null, body: null, idempotencyKey: null, pin: null }
const plan = (method: string, path: string, said: Partial<Said> = {}, registry = REGISTRY): string => {
  const call = classifyRequest(method, new URL(path, 'https://api.example'))
  assert.ok(call)
  try {
    const { regions, by } = planRoute(call, { ...NOTHING_SAID, ...said }, registry, () => [EAST, WEST, EUROPE])
    return `${by}: ${codes(regions).join(' ')}`
  } catch (error) {
    return codeOf(error)
  }
}
const withStatus = (status: Region['status']): RegionRegistry => ({
  ...REGISTRY,
  regions: REGISTRY.regions.map((region) => (region.code === 'use1' ? { ...region, status } : region)),
})
const idIn = (region: string): string => newId('sbx', region, 1, new Uint8Array(16))

test('the order of say: id, key of the edge, prefix, header, body, pin, steering', () => {
  const all = { header: 'us-west', idempotencyKey: 'use1', body: 'eu', pin: 'use1' }
  const path = '/v1/sandboxes'
  assert.equal(plan('POST', `/r/eu${path}`, all), 'wish: use1')
  assert.equal(plan('POST', `/r/eu${path}`, { ...all, idempotencyKey: null }), 'wish: eu1')
  assert.equal(plan('POST', path, { ...all, idempotencyKey: null }), 'wish: usw1')
  assert.equal(plan('POST', path, { body: 'eu', pin: 'use1' }), 'wish: eu1')
  assert.equal(plan('POST', path, { pin: 'use1' }), 'wish: use1')
  assert.equal(plan('POST', path), 'steering: use1 usw1 eu1')
  assert.equal(plan('POST', path, { header: 'eu,any' }), 'steering: eu1 use1 usw1')
  assert.equal(plan('POST', path, { header: 'eu,us-west' }), 'wish: eu1 usw1')
  assert.equal(plan('POST', `${path}/${idIn('eu1')}/exec`, { pin: 'usw1' }), 'id: eu1')
  assert.equal(plan('POST', `${path}/${idIn('eu1')}/exec`, { header: 'eu' }), 'id: eu1')
  assert.equal(plan('POST', `${path}/${idIn('eu1')}/exec`, { header: 'us-west' }), 'region_mismatch')
  assert.equal(plan('POST', `/r/us-west${path}/${idIn('eu1')}/exec`), 'region_mismatch')
  assert.equal(plan('GET', path), 'home: usw1 use1 eu1')
  assert.equal(plan('GET', path, { header: 'eu' }), 'wish: eu1')
  assert.equal(plan('GET', '/v1/templates'), 'home: usw1')
  assert.equal(plan('GET', '/v1/templates', { pin: 'eu' }), 'wish: eu1')
  assert.equal(plan('GET', `${path}/${idIn('mars1')}`), 'sandbox_not_found')
  assert.equal(plan('GET', `${path}/sbx_eu1_typo`), 'sandbox_not_found')
})

// Its caller was told to find out there, and would otherwise have to wait for the region to take new sandboxes again.
test('what was made under a key of the edge is asked about where it is, also in a region that is draining', () => {
  const path = '/v1/sandboxes'
  assert.equal(plan('POST', path, { idempotencyKey: 'use1' }, withStatus('draining')), 'wish: use1')
  assert.equal(plan('POST', path, { idempotencyKey: 'use1' }, withStatus('down')), 'region_unavailable')
  assert.equal(plan('POST', path, { header: 'use1' }, withStatus('draining')), 'region_unavailable')
})
