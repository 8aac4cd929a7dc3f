/** What a policy decides, for whatever is asked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fitsHost, fitsPath, plainPath } from '../../../../origin/hostd/egress/fits.ts'
import { judgeConnection, judgeRequest } from '../../../../origin/hostd/egress/judge.ts'
import { putIntoHeader, putIntoTarget } from '../../../../origin/hostd/egress/put-secrets.ts'
import { addressesOf, type Reach } from '../../../../origin/hostd/egress/reach.ts'
import { parseAuthority } from '../../../../origin/hostd/egress/target.ts'
import {
  type EgressPolicy,
  type EgressRule,
  egressPolicy,
  MAIL_PORTS,
} from '../../../../shared/contracts/host-egress.ts'
import { LIMITS } from '../../../../shared/limits.ts'

const policy = (over: Partial<EgressPolicy> = {}): EgressPolicy => ({
  ...{ mode: 'enforce', default_effect: 'deny', rules: [], allow_private: false, secrets: [] },
  ...over,
})
const rule = (host: string, effect: EgressRule['effect'], over: Partial<EgressRule> = {}): EgressRule => ({
  ...{ id: `${effect} ${host}`, host, effect },
  ...over,
})

test('a pattern fits the names below it, at any depth, and nothing that only looks alike', () => {
  for (const [pattern, host, fits] of [
    ['api.test', 'api.test', true],
    ['api.test', 'a.api.test', false],
    ['*.api.test', 'a.b.api.test', true],
    ['*.api.test', 'api.test', false],
    ['*.api.test', 'evilapi.test', false],
    ['*.api.test', '.api.test', false],
    ['*', 'anything.test', true],
    ['*', '10.0.0.1', false],
    ['*', '::1', false],
    ['*.0.0.1', '10.0.0.1', false],
    ['10.0.0.1', '10.0.0.1', true],
  ] as const)
    assert.equal(fitsHost(pattern, host), fits, `${pattern} ${host}`)
})

test('a glob fits what a plain reading of it fits, and takes no longer for a hostile one', () => {
  for (const [glob, path, fits] of [
    ['/v1/*', '/v1/a', true],
    ['/v1/*', '/v1/', true],
    ['/v1/*', '/v1/a/b', false],
    ['/v1/**', '/v1/a/b', true],
    ['/v1/**/end', '/v1/a/b/end', true],
    ['/v1/**/end', '/v1/end', false],
    ['/*/x', '/a/x', true],
    ['/a.c', '/abc', false],
    ['/repos/*/*.git/**', '/repos/me/it.git/info/refs', true],
  ] as const)
    assert.equal(fitsPath(glob, path), fits, `${glob} ${path}`)
  const hostile = `/${'**a'.repeat(LIMITS.egressGlobStarsMax)}b`
  const sinceMs = performance.now()
  for (let count = 0; count < LIMITS.egressRulesMax; count += 1)
    fitsPath(hostile, `/${'a'.repeat(LIMITS.egressPathCharsMax)}`)
  assert.ok(performance.now() - sinceMs < 10_000)
})

test('a path means the same however it is written, and a plain one stays as it is', () => {
  for (const [written, plain] of [
    ['/a/../b', '/b'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/%2E./b?x=/../c', '/b'],
    ['//a///b', '/a/b'],
    ['/%61', '/a'],
    ['/a%2fb', '/a%2Fb'],
    ['/a\\..\\b', '/b'],
    ['/%252e%252e/b', '/%252e%252e/b'],
  ] as const)
    assert.equal(plainPath(written), plain, written)
  const segment = fc.stringMatching(/^[A-Za-z0-9_~-]{1,8}$/)
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (segments) => {
      const path = `/${segments.join('/')}`
      assert.equal(plainPath(path), path)
    }),
  )
})

const anyHost = fc.constantFrom('api.test', 'a.api.test', 'other.test', '10.0.0.1', '93.184.216.34')
const anyPort = fc.constantFrom(80, 443, 8080, 22, ...MAIL_PORTS)
const anyRule = fc.record(
  {
    id: fc.string(),
    host: fc.constantFrom('*', '*.test', '*.api.test', 'api.test', '10.0.0.1'),
    effect: fc.constantFrom<EgressRule['effect']>('allow', 'deny'),
    methods: fc.constantFrom<string[]>(['GET'], ['POST', 'PUT']),
    path_glob: fc.constantFrom('/v1/**', '/**', '/v1/admin/*'),
    ports: fc.constantFrom<number[]>([8080], [443, 8080]),
  },
  { requiredKeys: ['id', 'host', 'effect'] },
)
const anyPolicy = fc.record({
  mode: fc.constantFrom<EgressPolicy['mode']>('enforce', 'audit_only'),
  default_effect: fc.constantFrom<EgressRule['effect']>('allow', 'deny'),
  rules: fc.array(anyRule, { maxLength: 6 }),
  allow_private: fc.boolean(),
  secrets: fc.constant<EgressPolicy['secrets']>([]),
})
const anyMethod = fc.constantFrom('GET', 'POST', 'DELETE')
const anyPath = fc.constantFrom('/', '/v1/a', '/v1/admin/x', '/v1/%61dmin/x')

// A connection that is let through unread must not carry a request that would be refused.
test('a connection is let through unread only when no request in it could be judged otherwise', () => {
  fc.assert(
    fc.property(anyPolicy, anyHost, anyPort, anyMethod, anyPath, (policy, host, port, method, path) => {
      const connection = judgeConnection(policy, { host, port })
      const request = judgeRequest(policy, { host, port, method, path })
      if (connection.action === 'denied' || !connection.inspects) assert.equal(request.action, connection.action)
    }),
    { numRuns: 3_000 },
  )
})

test('mail is never allowed, without a policy nothing is, and audit only denies nothing else', () => {
  fc.assert(
    fc.property(anyPolicy, anyHost, anyPort, anyMethod, anyPath, (policy, host, port, method, path) => {
      const asked = { host, port, method, path }
      assert.equal(judgeRequest(null, asked).action, 'denied')
      const isMail = MAIL_PORTS.includes(port)
      if (isMail) assert.equal(judgeRequest(policy, asked).action, 'denied')
      else assert.equal(judgeRequest({ ...policy, mode: 'audit_only' }, asked).action, 'allowed')
    }),
    { numRuns: 1_000 },
  )
})

test('a public address of the host’s own machine is refused, in whatever form, unless the host opens what is private', async () => {
  const own = ['93.184.216.34', '2606:2800:220:1::1']
  const found = async (address: string, reach: Reach) =>
    (await addressesOf('api.test', reach, async () => [{ address, family: 4 }], own)).kind
  for (const address of [...own, '::ffff:93.184.216.34', '2606:2800:220:1:0:0:0:1']) {
    assert.equal(await found(address, 'public'), 'refused', address)
    assert.equal(await found(address, 'private'), 'found', address)
  }
  assert.equal(await found('93.184.216.35', 'public'), 'found')
})

test('the first rule that fits decides, and its id is told', () => {
  const rules = [rule('*.test', 'deny', { methods: ['POST'] }), rule('api.test', 'allow'), rule('*', 'deny')]
  const asked = { host: 'api.test', port: 443, path: '/', method: 'GET' }
  assert.deepEqual(judgeRequest(policy({ rules }), asked), {
    action: 'allowed',
    reason: 'rule',
    rule: 'allow api.test',
  })
  assert.equal(judgeRequest(policy({ rules }), { ...asked, method: 'POST' }).rule, 'deny *.test')
  assert.deepEqual(judgeConnection(policy({ rules }), asked), { action: 'allowed', reason: 'rule', inspects: true })
  const elsewhere = { ...asked, port: 4_001 }
  assert.equal(judgeRequest(policy({ rules: [rule('api.test', 'allow')] }), elsewhere).reason, 'port')
  assert.equal(judgeConnection(policy({ rules: [rule('api.test', 'allow')] }), elsewhere).reason, 'port')
  assert.equal(judgeRequest(policy({ rules: [rule('other.test', 'allow')] }), elsewhere).reason, 'default')
  const address = { ...asked, host: '93.184.216.34' }
  assert.equal(judgeRequest(policy({ default_effect: 'allow' }), address).reason, 'address')
})

test('a path that leads elsewhere where an escaped slash is one is denied, and one that only has such a slash is not', () => {
  const rules = [
    rule('api.test', 'deny', { path_glob: '/admin/**' }),
    rule('api.test', 'allow', { path_glob: '/open/**' }),
    rule('api.test', 'allow', { path_glob: '/@*' }),
  ]
  const judged = (path: string) =>
    judgeRequest(policy({ rules }), { host: 'api.test', port: 443, method: 'GET', path }).reason
  for (const [path, reason] of [
    ['/open/x', 'rule'],
    ['/open/a%2Fb', 'rule'],
    ['/@scope%2fname', 'rule'],
    ['/open/..%2fadmin', 'request'],
    ['/open/%2e%2e%5Cadmin', 'request'],
    ['/open/..;/admin/x', 'request'],
    ['/open/a%2F..%2F..%2Fadmin', 'request'],
    ['/open/..x/a', 'rule'],
  ] as const)
    assert.equal(judged(path), reason, path)
  const asked = { host: 'api.test', port: 443, method: 'GET', path: '/admin%2Fx' }
  assert.equal(judgeRequest(policy({ default_effect: 'allow', rules }), asked).action, 'denied')
})

test('a path too long to be judged by its rules is refused, not let by', () => {
  const rules = [rule('api.test', 'deny', { path_glob: '/admin/**' }), rule('api.test', 'allow')]
  const path = `/${'x'.repeat(LIMITS.egressPathCharsMax)}`
  const verdict = judgeRequest(policy({ rules }), { host: 'api.test', port: 443, method: 'GET', path })
  assert.deepEqual(verdict, { action: 'denied', reason: 'request' })
})

test('a policy is refused that names a mail port, a URL for a host, too many stars, or a secret that no header can have', () => {
  const isTaken = (over: object): boolean => egressPolicy.safeParse({ ...policy(), ...over }).success
  assert.ok(isTaken({ rules: [rule('*.api.test', 'allow', { ports: [8443], path_glob: '/v1/*' })] }))
  for (const wrong of [{ ports: [25] }, { host: 'https://api.test' }, { host: 'API.test' }, { host: '*api.test' }])
    assert.ok(!isTaken({ rules: [{ ...rule('api.test', 'allow'), ...wrong }] }), JSON.stringify(wrong))
  assert.ok(!isTaken({ rules: [rule('a.test', 'allow', { path_glob: `/${'*a'.repeat(9)}` })] }))
  const secret = { placeholder: 'atoll_secret_0123', value: 'x', hosts: ['api.test'] }
  assert.ok(isTaken({ secrets: [secret] }))
  for (const value of ['a\r\nb', '', ' a', 'é']) assert.ok(!isTaken({ secrets: [{ ...secret, value }] }), value)
})

test('what is asked for has one form, whatever forms it was written in', () => {
  for (const [text, host, port] of [
    ['API.Test:443', 'api.test', 443],
    ['api.test.:443', 'api.test', 443],
    ['[::1]:443', '::1', 443],
    ['0x7f.1:80', '127.0.0.1', 80],
    ['2130706433:80', '127.0.0.1', 80],
  ] as const)
    assert.deepEqual(parseAuthority(text, null), { host, port }, text)
  for (const text of [
    'api.test',
    'api.test:',
    'api.test:0',
    'api.test:70000',
    'u@api.test:1',
    'a b:1',
    ':1',
    '[::1:1',
    'a/b:1',
  ])
    assert.equal(parseAuthority(text, null), null, text)
})

test('a secret takes the place of its placeholder and of nothing else', () => {
  const secrets = [
    { placeholder: 'atoll_secret_1', value: '$& one' },
    { placeholder: 'atoll_secret_12', value: 'a/b?c' },
  ]
  assert.equal(putIntoHeader('x', 'atoll_secret_12 atoll_secret_1', secrets), 'a/b?c $& one')
  assert.equal(putIntoTarget('/p/atoll_secret_12?k=atoll_secret_1', secrets), '/p/a%2Fb%3Fc?k=%24%26%20one')
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
  assert.equal(putIntoHeader('Authorization', basic('me:atoll_secret_12'), secrets), basic('me:a/b?c'))
  fc.assert(
    fc.property(fc.base64String(), (text) =>
      assert.equal(putIntoHeader('authorization', `Basic ${text}`, []), `Basic ${text}`),
    ),
  )
})
