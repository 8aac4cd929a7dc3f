/** Who is of the roster, who is lost, and which addresses a customer's machine may have: decided purely, and on the safe side. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { type HostAddress, isPublicAddress, requirePublicUrl } from '../../../origin/controller/hosts/address.ts'
import { type HostFacts, hostState } from '../../../origin/controller/hosts/host-state.ts'
import { readJson } from '../../../origin/controller/hosts/read-json.ts'
import { compareRoster } from '../../../origin/controller/hosts/roster.ts'
import { countSilence, type Look } from '../../../origin/controller/reconcile/count-silence.ts'
import { hostCapacity } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'

const anyAddress: fc.Arbitrary<HostAddress> = fc.record(
  {
    kind: fc.constant('network' as const),
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    url: fc.constantFrom('https://one:1', 'https://two:2'),
    fingerprint: fc.constant('f'),
    secret: fc.constantFrom('s', 't'),
    isPublicOnly: fc.boolean(),
  },
  { noNullPrototype: true },
)
const anyRoster = fc.uniqueArray(anyAddress, { selector: ({ name }) => name, comparator: 'IsStrictlyEqual' })
const byName = (addresses: HostAddress[]) => new Map(addresses.map((address) => [address.name, address]))

test('after everybody who should go has gone and who should come has come, the roster is what is wanted', () => {
  fc.assert(
    fc.property(anyRoster, anyRoster, (before, wanted) => {
      const roster = byName(before)
      const { come, go } = compareRoster(roster, wanted)
      for (const name of go) assert.ok(roster.delete(name))
      for (const address of come) {
        assert.ok(!roster.has(address.name))
        roster.set(address.name, address)
      }
      assert.deepEqual(roster, byName(wanted))
      assert.deepEqual(compareRoster(roster, wanted), { come: [], go: [] })
    }),
  )
})

const silentAfterMs = LIMITS.hostLostAfterMs
const anyLook = (host: string): fc.Arbitrary<Look> =>
  fc.record({
    host: fc.constant(host),
    kind: fc.constantFrom('socket' as const, 'network' as const),
    silentMs: fc.nat(2 * silentAfterMs),
  })
const anyLooks = fc.tuple(anyLook('a'), anyLook('b'), anyLook('c'))

// A controller that is cut off, or was stopped for an hour, must not end every sandbox of the region when it is back.
test('silence counts only beside a host of the same kind that is heard, and only as far as somebody looked', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyLooks, fc.nat(2 * LIMITS.hostLookMsMax))), (history) => {
      let counted: ReadonlyMap<string, number> = new Map()
      let watchedMs = 0
      for (const [looks, sinceLastLookMs] of history) {
        watchedMs = sinceLastLookMs > LIMITS.hostLookMsMax ? 0 : watchedMs + sinceLastLookMs
        counted = countSilence(counted, looks, { sinceLastLookMs, silentAfterMs })
        for (const [host, ms] of counted) {
          assert.ok(ms <= watchedMs)
          const own = looks.find((look) => look.host === host)
          assert.ok(own !== undefined && own.silentMs >= silentAfterMs)
          assert.ok(looks.some(({ kind, silentMs }) => kind === own.kind && silentMs < silentAfterMs))
        }
      }
    }),
    { numRuns: 1_000 },
  )
})

test('a host that stays silent beside one that is heard is counted for the whole time', () => {
  const looks: Look[] = [
    { host: 'gone', kind: 'network', silentMs: silentAfterMs },
    { host: 'here', kind: 'network', silentMs: 0 },
    { host: 'only', kind: 'socket', silentMs: 10 * silentAfterMs },
  ]
  let counted: ReadonlyMap<string, number> = new Map()
  for (let n = 0; n < 10; n++) counted = countSilence(counted, looks, { sinceLastLookMs: 1_000, silentAfterMs })
  assert.deepEqual([...counted], [['gone', 10_000]])
})

// A tenant says where their machine is; the controller must not be made to knock at doors that only it can reach.
test('no address of a private network, of this machine or of a cloud is public, in any spelling', () => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::ffff:10.0.0.1',
    'fe80::1',
    'fd00::1',
    '224.0.0.1',
    'localhost',
  ])
    assert.equal(isPublicAddress(address), false, address)
  for (const address of ['8.8.8.8', '2606:4700:4700::1111']) assert.equal(isPublicAddress(address), true, address)
  for (const url of [
    'https://127.1:1',
    'https://2130706433',
    'https://[::1]:7',
    'https://x.localhost',
    'https://0x0a000001',
  ])
    assert.throws(() => requirePublicUrl(url), /not one of the public internet/, url)
  for (const url of ['https://8.8.8.8:7', 'https://host.example.com:7']) requirePublicUrl(url)
})

// What one host says is written together with what others say, so a number that the table cannot hold would silence them all.
test('a host that says more than the table can hold, or more than an answer may have, is not understood', async () => {
  const offer = {
    accel: 'kvm',
    accepting: true,
    draining: false,
    templates: ['default'],
    vcpus: 4,
    memory_mib: 1_000,
    disk_mib: 1_000,
    vms_max: 5,
    running: 0,
    paused: 0,
    free: {},
    pool: {},
    memory_available_mib: 1,
    disk_available_mib: 1,
  }
  assert.ok(hostCapacity.safeParse(offer).success)
  for (const lie of [
    { vcpus: 2 ** 31 },
    { vms_max: -1 },
    { memory_mib: 2 ** 60 },
    { disk_mib: 0.5 },
    { pool: { x: 2 ** 40 } },
  ])
    assert.equal(hostCapacity.safeParse({ ...offer, ...lie }).success, false, JSON.stringify(lie))

  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(1_000).fill(32)
  }
  await assert.rejects(readJson(endless(), 10_000), /more than 10000 bytes/)
  assert.deepEqual(await readJson(Readable.from([Buffer.from('{"a":'), Buffer.from('1}')])), { a: 1 })
})

test('what a host is called follows from its row and its silence', () => {
  const row: HostFacts = {
    accepting: true,
    draining: false,
    cordoned: false,
    drainStartedAt: null,
    offeredVms: 5,
    reservedVms: 1,
  }
  const state = (over: Partial<HostFacts>, silentMs = 0) => hostState({ ...row, ...over }, silentMs, 60_000)
  assert.equal(state({}), 'ready')
  assert.equal(state({ accepting: false }), 'full')
  assert.equal(state({ accepting: false, offeredVms: 0 }), 'joining')
  assert.equal(state({ cordoned: true }), 'cordoned')
  assert.equal(state({ cordoned: true, drainStartedAt: new Date() }), 'draining')
  assert.equal(state({ reservedVms: 0, drainStartedAt: new Date() }), 'drained')
  assert.equal(state({ draining: true }), 'draining')
  assert.equal(state({}, LIMITS.hostLostAfterMs), 'silent')
  assert.equal(state({ cordoned: true }, 60_000), 'lost')
})
