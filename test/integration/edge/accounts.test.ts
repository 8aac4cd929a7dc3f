/** Keys at the edge: told by the home region, asked of it when KV does not know them yet, and words for browsers made from them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeJwt, jwtDecrypt } from 'jose'
import { createBrowserWords } from '../../../origin/controller/accounts/browser-tokens.ts'
import { createAccountSecrets } from '../../../origin/controller/accounts/secrets.ts'
import type { Db } from '../../../origin/controller/database/connect.ts'
import { DEFAULT_TIERS, type KeyRecord, SCOPES } from '../../../shared/accounts.ts'
import { edgeClaimsSchema } from '../../../shared/edge-token.ts'
import { until } from '../../harness/until.ts'
import {
  aKeyRecord,
  aSandboxIn,
  errorOf,
  freshKey,
  hashOf,
  INTERNAL_TOKEN,
  PEPPER,
  post,
  type Stage,
  setStage,
} from './stage/edge-stage.ts'

const LIST = `/v1/sandboxes/${aSandboxIn('usw1')}`

const tell = ({ edge }: Stage, records: object, token = INTERNAL_TOKEN): Promise<Response> =>
  fetch(new URL('/internal/v1/kv', edge.url), {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(records),
  })

const tellKey = async (stage: Stage, key: string, record: KeyRecord): Promise<void> => {
  const answer = await tell(stage, { keys: [{ hash: hashOf(key), record }] })
  assert.equal(answer.status, 204, await answer.text())
}

test('what the home tells is in KV and holds at once: a key, its end, and the tiers', async (t) => {
  const stage = await setStage(t)
  const key = freshKey()
  await tellKey(stage, key, aKeyRecord({ id: 'key_2', scopes: ['sandboxes:read'] }))
  assert.equal((await stage.ask(LIST, { key })).status, 200)
  assert.equal((await errorOf(await stage.ask('/v1/sandboxes/run', { ...post({}), key }))).code, 'insufficient_scope')
  await tellKey(stage, key, aKeyRecord({ id: 'key_2', status: 'revoked' }))
  assert.equal((await errorOf(await stage.ask(LIST, { key }))).code, 'revoked_token')
  assert.deepEqual(await stage.edge.readKv('KEYS', `k:${hashOf(key)}`), aKeyRecord({ id: 'key_2', status: 'revoked' }))
  const tiers = { ...DEFAULT_TIERS, mine: DEFAULT_TIERS.free }
  assert.equal((await tell(stage, { keys: [], tiers })).status, 204)
  assert.deepEqual(await stage.edge.readKv('CONFIG', 'tiers:v1'), tiers)
})

test('nobody else tells the edge anything, and half a record is refused', async (t) => {
  const stage = await setStage(t)
  const hash = hashOf(freshKey())
  const good = { keys: [{ hash, record: aKeyRecord() }] }
  for (const token of ['', 'wrong', stage.apiKey]) assert.equal((await tell(stage, good, token)).status, 401)
  const bad = [
    {},
    { keys: [{ hash: 'x', record: aKeyRecord() }] },
    { keys: [{ hash, record: {} }] },
    { ...good, tiers: { x: 1 } },
  ]
  for (const records of bad) assert.equal((await tell(stage, records)).status, 422)
  assert.equal(await stage.edge.readKv('KEYS', `k:${hash}`), null)
})

test('a key that KV does not know is asked of the home once, however many ask, and an unknown one not again for a while', async (t) => {
  const stage = await setStage(t)
  const { usw1, eu1 } = stage
  const key = freshKey()
  usw1.keys.set(hashOf(key), aKeyRecord({ id: 'key_new' }))
  const gate = Promise.withResolvers<void>()
  usw1.holdKeys(gate.promise)
  const asked = Array.from({ length: 20 }, () => stage.ask(LIST, { key }))
  await until('the home to be asked', () => usw1.keyQuestions() > 0)
  await sleep(200)
  gate.resolve()
  for (const answer of await Promise.all(asked)) assert.equal(answer.status, 200, await answer.text())
  assert.equal(usw1.keyQuestions(), 1)
  const unknown = freshKey()
  for (let n = 0; n < 3; n++) assert.equal((await stage.ask(LIST, { key: unknown })).status, 401)
  assert.deepEqual([usw1.keyQuestions(), eu1.keyQuestions()], [2, 0])
})

test('a caller who leaves takes nobody along who waits for the same key', async (t) => {
  const stage = await setStage(t)
  const key = freshKey()
  stage.usw1.keys.set(hashOf(key), aKeyRecord())
  const gate = Promise.withResolvers<void>()
  stage.usw1.holdKeys(gate.promise)
  const leaving = new AbortController()
  const left = stage.ask(LIST, { key, signal: leaving.signal }).catch(() => 'left')
  await until('the home to be asked', () => stage.usw1.keyQuestions() > 0)
  const staying = stage.ask(LIST, { key })
  await sleep(100)
  leaving.abort()
  assert.equal(await left, 'left')
  await sleep(100)
  gate.resolve()
  assert.equal((await staying).status, 200)
})

test('while the home is away known keys work, and an unknown one is told to come again', async (t) => {
  const stage = await setStage(t)
  await stage.usw1.refuse()
  const path = `/v1/sandboxes/${aSandboxIn('eu1')}`
  assert.equal((await stage.ask(path)).status, 200)
  const answer = await stage.ask(path, { key: freshKey() })
  assert.deepEqual([answer.status, (await errorOf(answer)).code], [503, 'configuration_unavailable'])
})

// Its counters have the rates of the built-in tiers, and one key's own rate is none of those.
test('the edge tells the region which rates it cannot count', async (t) => {
  const stage = await setStage(t, {
    seed: (edge) => edge.putKv('CONFIG', 'tiers:v1', { ...DEFAULT_TIERS, ours: DEFAULT_TIERS.pro }),
  })
  const cases: [Partial<KeyRecord>, object | undefined][] = [
    [{}, undefined],
    [{ limits: { concurrency: 1, requestsPerMinute: DEFAULT_TIERS.scale.requestsPerMinute + 1 } }, undefined],
    [{ limits: { requestsPerMinute: 7 } }, { key: 7 }],
    [{ tier: 'ours' }, { tenant: DEFAULT_TIERS.pro.requestsPerMinute }],
    [
      { tier: 'ours', limits: { requestsPerMinute: 7 } },
      { tenant: DEFAULT_TIERS.pro.requestsPerMinute, key: 7 },
    ],
  ]
  for (const [changes, uncounted] of cases) {
    const key = await stage.addKey(changes)
    await stage.ask(`/v1/sandboxes/${aSandboxIn('usw1')}`, { key })
    const token = String(stage.usw1.received.at(-1)?.headers['x-edge-token'])
    assert.deepEqual(edgeClaimsSchema.parse(decodeJwt(token)).uncounted, uncounted, JSON.stringify(changes))
  }
})

// The home's word on a key may be on its way while the key is revoked; what arrives late must not bring it back for good.
test('a key that is revoked while the edge asks about it is refused within the time of a copy', async (t) => {
  const stage = await setStage(t)
  const key = freshKey()
  stage.usw1.keys.set(hashOf(key), aKeyRecord())
  const gate = Promise.withResolvers<void>()
  stage.usw1.holdKeys(gate.promise)
  const late = stage.ask(LIST, { key })
  await until('the home to be asked', () => stage.usw1.keyQuestions() > 0)
  await sleep(100)
  await tellKey(stage, key, aKeyRecord({ status: 'revoked' }))
  gate.resolve()
  await late
  await until('it to be refused', async () => (await stage.ask(LIST, { key })).status === 401, 60_000)
  assert.deepEqual(await stage.edge.readKv('KEYS', `k:${hashOf(key)}`), aKeyRecord({ status: 'revoked' }))
})

test('a region hears whose end user it is and the limits of the key, none of them wider than the tier', async (t) => {
  const limits = { concurrency: 3, maxBodyMib: 1, maxTimeoutSec: 1_000_000 }
  const stage = await setStage(t, { key: { externalUser: 'u1', limits } })
  await stage.ask(LIST)
  const claims = edgeClaimsSchema.parse(decodeJwt(String(stage.usw1.received[0]?.headers['x-edge-token'])))
  assert.equal(claims.externalUser, 'u1')
  assert.deepEqual(claims.limits, { ...DEFAULT_TIERS.scale, concurrency: 3, maxBodyMib: 1 })
  const large = await stage.ask(`${LIST}/exec`, post('x'.repeat(1024 * 1024 + 1)))
  assert.equal(large.status, 413)
})

/** As a region makes them: the edge must judge what it never made. Making one asks nothing of a database. */
function makeWords() {
  const never = () => assert.fail('Nothing is asked of a database here.')
  const { browserSecret } = createAccountSecrets(PEPPER)
  return createBrowserWords({} as Db, browserSecret, { find: never, findNow: never, forget: () => {} }, Date.now)
}

test('a token is the key that made it, narrowed: scopes, sandbox, end user; and it ends with the key', async (t) => {
  const stage = await setStage(t)
  const words = makeWords()
  const word = { sub: 'key_1', keyHash: hashOf(stage.apiKey), keyVersion: 1, scopes: ['sandboxes:read', 'other:all'] }
  const sandbox = aSandboxIn('usw1')
  const token = await words.makeToken({ ...word, sandbox, externalUser: 'u1' }, 60)
  assert.equal((await stage.ask(`/v1/sandboxes/${sandbox}`, { key: token })).status, 200)
  const headers = stage.usw1.received[0]?.headers ?? {}
  const claims = edgeClaimsSchema.parse(decodeJwt(String(headers['x-edge-token'])))
  assert.deepEqual(
    [claims.sub, claims.scopes, claims.sandbox, claims.externalUser, claims.temporary, claims.ticket],
    ['key_1', ['sandboxes:read'], sandbox, 'u1', true, undefined],
  )
  assert.equal(headers.authorization, undefined)
  assert.equal(
    (await errorOf(await stage.ask('/v1/sandboxes/run', { ...post({}), key: token }))).code,
    'insufficient_scope',
  )
  for (const changes of [{ sub: 'key_2' }, { keyVersion: 2 }, { keyHash: hashOf(freshKey()) }]) {
    const other = await words.makeToken({ ...word, ...changes }, 60)
    assert.equal((await errorOf(await stage.ask(LIST, { key: other }))).code, 'invalid_token')
  }
  assert.equal((await errorOf(await stage.ask(LIST, { key: await words.makeToken(word, -1) }))).code, 'revoked_token')
  assert.equal((await errorOf(await stage.ask(LIST, { key: `${token.slice(0, -8)}AAAAAAAA` }))).code, 'invalid_token')
  await tellKey(stage, stage.apiKey, aKeyRecord({ status: 'revoked' }))
  assert.equal((await errorOf(await stage.ask(LIST, { key: token }))).code, 'revoked_token')
})

test('a ticket in the URL opens a GET, tells the region which it is, and changes nothing', async (t) => {
  const stage = await setStage(t)
  const words = makeWords()
  const word = { sub: 'key_1', keyHash: hashOf(stage.apiKey), keyVersion: 1, scopes: [...SCOPES] }
  const ticket = await words.makeTicket(word)
  assert.equal((await stage.ask(`${LIST}/events?ticket=${ticket}`, { key: null })).status, 200)
  const claims = edgeClaimsSchema.parse(decodeJwt(String(stage.usw1.received[0]?.headers['x-edge-token'])))
  const { browserSecret } = createAccountSecrets(PEPPER)
  const { payload } = await jwtDecrypt(ticket.slice('sset_'.length), browserSecret)
  assert.equal(claims.ticket, payload.jti)
  const refused = [
    stage.ask(`${LIST}/pause?ticket=${ticket}`, { method: 'POST', key: null }),
    stage.ask(`${LIST}/events?ticket=${await words.makeToken(word, 60)}`, { key: null }),
    stage.ask(LIST, { key: ticket }),
    stage.ask(`${LIST}/events?ticket=${randomUUID()}`, { key: null }),
  ]
  for (const answer of await Promise.all(refused)) assert.equal((await errorOf(answer)).code, 'invalid_token')
})
