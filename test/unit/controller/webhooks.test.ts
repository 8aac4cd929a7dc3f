/** Where a delivery may go, what follows from an attempt, and how it is proven to be ours. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideDelivery, delayOf } from '../../../origin/controller/webhooks/decide-delivery.ts'
import { createOwnPlaces } from '../../../origin/controller/webhooks/own-places.ts'
import {
  type Bounds,
  type OwnPlaces,
  refusalOfUrl,
  resolvePublic,
} from '../../../origin/controller/webhooks/public-address.ts'
import { createSender, type Parcel } from '../../../origin/controller/webhooks/send-delivery.ts'
import { signDelivery } from '../../../origin/controller/webhooks/sign-delivery.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type NameServer, privateRangeOf } from '../../../shared/public-address.ts'

const PRIVATE = [
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:a9fe:a9fe',
  '64:ff9b::7f00:1',
  '64:ff9b:1::a00:1',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  '4000::1',
]
const PUBLIC = ['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '::ffff:8.8.8.8']

test('no address that is not of the public internet is taken for one that is', () => {
  for (const address of PRIVATE) assert.notEqual(privateRangeOf(address), null, address)
  for (const address of PUBLIC) assert.equal(privateRangeOf(address), null, address)
  const inside = fc.constantFrom('10', '127', '192.168', '169.254')
  fc.assert(
    fc.property(inside, fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 3, maxLength: 3 }), (prefix, rest) => {
      const parts = [...prefix.split('.'), ...rest].slice(0, 4)
      assert.notEqual(privateRangeOf(parts.join('.')), null)
      assert.notEqual(privateRangeOf(`::ffff:${parts.join('.')}`), null)
    }),
  )
})

test('a URL is refused in every spelling of an address that is not public, and for what does not belong in it', () => {
  const refused = [
    'http://example.com/',
    'ftp://example.com/',
    'javascript:alert(1)',
    'example.com',
    'https://user:pw@example.com/',
    'https://user@example.com/',
    'https://example.com/#part',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://１２７.0.0.1/',
  ]
  for (const url of refused) assert.notEqual(refusalOfUrl(url, 'public'), null, url)
  for (const url of ['https://example.com/hook?x=1', 'https://1.1.1.1:8443/', 'https://[2606:4700:4700::1111]/'])
    assert.equal(refusalOfUrl(url, 'public'), null, url)
  assert.equal(refusalOfUrl('http://127.0.0.1:3000/', 'anywhere'), null)
  assert.notEqual(refusalOfUrl('http://u:p@127.0.0.1/', 'anywhere'), null)
})

const NOWHERE: OwnPlaces = { isOwnName: () => false, addresses: async () => [] }
const bounds = (names: NameServer, own = NOWHERE): Bounds => ({ reach: 'public', names, own })

test('a name that leads to one private address among public ones is refused', async () => {
  const names: NameServer = async (host) =>
    (host === 'mixed' ? ['1.1.1.1', '10.0.0.1'] : ['1.1.1.1']).map((address) => ({ address, family: 4 }))
  assert.equal((await resolvePublic('mixed', bounds(names))).kind, 'refused')
  assert.equal((await resolvePublic('good', bounds(names))).kind, 'found')
  const silent: NameServer = async () => {
    throw new Error('ENOTFOUND')
  }
  assert.equal((await resolvePublic('gone', bounds(silent))).kind, 'refused')
})

// What guards the service from outside does not see what comes from inside, so its own public addresses are doors that stand open.
test('nothing is delivered to this machine, a region or the edge by a public address or name of theirs', async () => {
  const addresses: Record<string, string> = { 'usw1.ours.test': '9.9.9.1', 'eu1.ours.test': '9.9.9.2' }
  let nowMs = 0
  let areNamesAway = false
  const names: NameServer = async (host) =>
    areNamesAway ? [] : [{ address: addresses[host] ?? '104.16.1.1', family: 4 }]
  const setting = {
    regions: [{ url: 'https://usw1.ours.test' }, { url: 'https://9.9.9.3:4001' }, { url: null }],
    homeUrl: 'https://eu1.ours.test/',
    edgeUrl: 'https://api.ours.test',
    quotaUrl: undefined,
  }
  const own = createOwnPlaces(
    setting,
    (host) => names(host),
    () => nowMs,
    () => ['9.9.9.4', '2606:4700::9'],
  )
  const why = async (host: string): Promise<string> => {
    const found = await resolvePublic(host, bounds(names, own))
    return found.kind === 'refused' ? found.why : found.kind
  }
  const back = 'must not lead back to this service'
  for (const host of ['api.ours.test', 'API.ours.test.', 'usw1.ours.test', 'eu1.ours.test'])
    assert.equal(await why(host), back)
  for (const literal of [
    '9.9.9.1',
    '9.9.9.2',
    '9.9.9.3',
    '9.9.9.4',
    '::ffff:9.9.9.4',
    '2606:4700:0::9',
    '2606:4700:0:0:0:0:0:9',
  ])
    assert.equal(await why(literal), back, literal)
  addresses['hook.test'] = '9.9.9.1'
  assert.equal(await why('hook.test'), back)
  // The edge's addresses are shared with sites that have nothing to do with it.
  assert.equal(await why('other.test'), 'found')

  // A region that moved is found where it is now, and one whose name servers are away stays where it was.
  addresses['usw1.ours.test'] = '9.9.9.8'
  delete addresses['hook.test']
  nowMs += LIMITS.ownAddressesMs
  assert.deepEqual([await why('9.9.9.8'), await why('9.9.9.1')], [back, 'found'])
  areNamesAway = true
  nowMs += LIMITS.ownAddressesMs
  assert.equal(await why('9.9.9.8'), back)
  const sender = createSender(bounds(names, own), Date.now)
  const attempt = await sender.send(parcelTo('https://9.9.9.4/'), new AbortController().signal)
  await sender.close()
  assert.deepEqual(attempt, { kind: 'failed', error: `The URL ${back}.` })
})

const loopback: NameServer = async () => [{ address: '127.0.0.1', family: 4 }]

const parcelTo = (url: string): Parcel => ({ id: 'dlv', url, headers: {}, secret: 's', body: '{}' })

const withServer = async (answer: RequestListener, work: (port: number) => Promise<void>): Promise<void> => {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work((server.address() as AddressInfo).port)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

// The name was public when the webhook was made. Whoever owns it may have pointed it at us since.
test('the address is judged when it is connected to, not when it was written down', async () => {
  let asked = 0
  await withServer(
    () => {
      asked += 1
    },
    async (port) => {
      const sender = createSender(bounds(loopback), Date.now)
      const attempt = await sender.send(parcelTo(`https://example.com:${port}/`), new AbortController().signal)
      await sender.close()
      assert.equal(attempt.kind, 'failed')
      assert.match(attempt.kind === 'failed' ? attempt.error : '', /public internet.*loopback/)
      assert.equal(asked, 0)
    },
  )
})

test('a redirect is not followed, and an answer without an end costs neither time nor memory', async () => {
  const seen: string[] = []
  await withServer(
    (request, response) => {
      seen.push(request.url ?? '')
      if (request.url === '/redirect') return response.writeHead(307, { location: '/inside' }).end()
      response.writeHead(200)
      const writing = setInterval(() => response.write('x'.repeat(64 * 1024)), 1)
      response.on('close', () => clearInterval(writing))
    },
    async (port) => {
      const sender = createSender({ ...bounds(loopback), reach: 'anywhere' }, Date.now)
      const stop = new AbortController().signal
      assert.deepEqual(await sender.send(parcelTo(`http://a.test:${port}/redirect`), stop), {
        kind: 'answered',
        status: 307,
      })
      const started = Date.now()
      assert.deepEqual(await sender.send(parcelTo(`http://a.test:${port}/endless`), stop), {
        kind: 'answered',
        status: 200,
      })
      assert.ok(Date.now() - started < LIMITS.webhookTimeoutMs / 2)
      await sender.close()
      assert.deepEqual(seen, ['/redirect', '/endless'])
    },
  )
})

test('a signature is what a client of the field verifies', () => {
  const header = signDelivery('whsec_1', '{"a":1}', 1_700_000_000_999)
  const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? []
  assert.equal(t, '1700000000')
  assert.equal(v1, createHmac('sha256', 'whsec_1').update(`${t}.{"a":1}`).digest('hex'))
})

test('an attempt delivers, is tried again later and later, or is given up after the last try', () => {
  const attempts = fc.integer({ min: 1, max: 30 })
  fc.assert(
    fc.property(
      attempts,
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 100, max: 599 }),
      (count, retries, status) => {
        const verdict = decideDelivery({ kind: 'answered', status }, count, retries, 0.5)
        if (status >= 200 && status < 300) assert.equal(verdict.kind, 'delivered')
        else assert.equal(verdict.kind, count > retries ? 'dead' : 'again')
        assert.equal(decideDelivery({ kind: 'broken_off' }, count, retries, 0.5).kind, 'untried')
      },
    ),
  )
  fc.assert(
    fc.property(attempts, fc.float({ min: 0, max: 1, noNaN: true }), (count, chance) => {
      const delay = delayOf(count, chance)
      assert.ok(delay >= LIMITS.webhookRetryMs / 2 && delay <= LIMITS.webhookRetryMsMax)
      assert.ok(delayOf(count + 1, chance) >= delay)
    }),
  )
})
