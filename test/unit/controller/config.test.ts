/** What an operator may get wrong is said before anything has been started, by name and without its value. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReplayCache } from '../../../origin/controller/accounts/edge-tokens.ts'
import { readConfig } from '../../../origin/controller/config.ts'
import { isDatabaseGone } from '../../../origin/controller/database/is-database-gone.ts'
import { LIMITS } from '../../../shared/limits.ts'

const good = {
  ATOLL_REGION: 'usw1',
  ATOLL_REGION_NAME: 'us-west',
  DATABASE_URL: 'postgresql:///x',
  ATOLL_HOSTS: 'h1=unix:/run/a.sock,h2=unix:/run/b.sock',
  ATOLL_KEY_PEPPER: 'a-pepper-of-many-characters',
  ATOLL_INTERNAL_TOKEN: 'a-token-of-many-characters',
}

test('a whole environment is read, with its defaults', () => {
  const config = readConfig(good)
  assert.deepEqual(config.hosts, [
    { kind: 'socket', name: 'h1', socketPath: '/run/a.sock' },
    { kind: 'socket', name: 'h2', socketPath: '/run/b.sock' },
  ])
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 4001 })
  assert.equal(config.templateAliases.get('miosa-sandbox'), 'default')
  assert.deepEqual(config.hostRules, { placement: 'spread', goneAfterMs: 300_000, arePrivateAllowed: false })
})

test('the regions that callers are told of always hold this one', () => {
  const [own, other] = [
    { code: 'usw1', name: 'us-west', url: 'https://usw1.example.com' },
    { code: 'eu1', name: 'eu', url: 'https://eu1.example.com' },
  ]
  const regionsOf = (given: object[]) => readConfig({ ...good, ATOLL_REGIONS: JSON.stringify(given) }).regions
  assert.deepEqual(readConfig(good).regions, [{ ...own, url: null }])
  assert.deepEqual(regionsOf([other]), [{ ...own, url: null }, other])
  assert.deepEqual(regionsOf([other, own]), [other, own])
})

for (const [name, value] of Object.entries({
  ATOLL_REGION: 'US West',
  ATOLL_LISTEN: 'nowhere',
  ATOLL_HOSTS: 'h1=tcp:secret',
  ATOLL_KEY_PEPPER: 'short',
  ATOLL_EDGE_JWKS: '{"keys":"secret"}',
  ATOLL_REGIONS: '[{"code":"secret place"}]',
  ATOLL_DEFAULT_SIZE: 'huge',
  ATOLL_PLACEMENT: 'random',
  ATOLL_HOST_GONE_SEC: '-1',
  ATOLL_PRIVATE_HOSTS: 'secret',
}))
  test(`a wrong ${name} is named, and its value is not repeated`, () => {
    assert.throws(
      () => readConfig({ ...good, [name]: value }),
      (err: Error) => err.message.includes(name) && !err.message.includes('secret'),
    )
  })

test('without any database there is nothing to start', () => {
  assert.throws(() => readConfig({ ...good, DATABASE_URL: undefined }), /DATABASE_URL/)
})

test('a token id is admitted once until it has expired, and a full cache admits nothing new', () => {
  let nowMs = 0
  const cache = createReplayCache(() => nowMs, 2)
  assert.equal(cache.admit('a', 60), true)
  assert.equal(cache.admit('a', 60), false)
  assert.equal(cache.admit('b', 60), true)
  assert.throws(() => cache.admit('c', 60))
  nowMs = (61 + LIMITS.edgeClockSkewSec) * 1_000
  assert.equal(cache.admit('c', 120), true)
})

test('a database that is away is told from a query that is wrong', () => {
  const withCode = (code: string) => new Error('x', { cause: Object.assign(new Error('inner'), { code }) })
  for (const code of ['ECONNREFUSED', '57P01', '57P03', '08006', '53300'])
    assert.ok(isDatabaseGone(withCode(code)), code)
  for (const code of ['23505', '42601', '22P02']) assert.ok(!isDatabaseGone(withCode(code)), code)
})
