/** Who is let in, and what a region may believe of a request that the edge forwards. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { test } from 'node:test'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { edgeClaimsSchema } from '../../../shared/edge-token.ts'
import { until } from '../../harness/until.ts'
import {
  aKeyRecord,
  aSandboxIn,
  errorOf,
  freshKey,
  hashOf,
  PUBLIC_KEY,
  post,
  type Stage,
  setStage,
} from './stage/edge-stage.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const nobodyAsked = ({ usw1, eu1 }: Stage): void => assert.equal(usw1.received.length + eu1.received.length, 0)

test('a region gets a signed token about exactly this request, and never the key', async (t) => {
  const { ask, eu1, apiKey } = await setStage(t)
  const body = JSON.stringify({ command: 'true', region: 'eu' })
  const answer = await ask('/api/v1/sandboxes/run?trace=1', post(body, { 'idempotency-key': 'mine' }))
  const [got] = eu1.received
  assert.ok(got)
  assert.equal(got.headers.authorization, undefined)
  assert.ok(!JSON.stringify(got.headers).includes(apiKey))
  const token = String(got.headers['x-edge-token'])
  assert.deepEqual(decodeProtectedHeader(token), { alg: 'EdDSA', kid: 'test-1' })
  const { payload } = await jwtVerify(token, PUBLIC_KEY, { issuer: 'atoll-edge', audience: 'region:eu1' })
  const claims = edgeClaimsSchema.parse(payload)
  assert.equal(claims.pathHash, sha256('/api/v1/sandboxes/run?trace=1'))
  assert.equal(claims.bodyHash, sha256(body))
  assert.equal(claims.exp - claims.iat, 60)
  assert.deepEqual(
    [claims.method, claims.tenant, claims.sub, claims.tier, claims.attempt, claims.idempotencyKey],
    ['POST', 'ten_1', 'key_1', 'scale', 1, 'mine'],
  )
  assert.equal(claims.requestId, answer.headers.get('x-request-id'))
  assert.equal(claims.requestId, got.headers['x-request-id'])
  assert.deepEqual(claims.geo, { continent: 'NA', country: 'US' })
})

test('headers that only the edge may set do not get through from a client', async (t) => {
  const { ask, usw1 } = await setStage(t)
  const forged = {
    'x-edge-token': 'forged',
    'x-internal-admin': '1',
    'x-region-load': '0',
    'x-origin': '1',
    'x-not-executed': '1',
    'x-attempt': '7',
    'x-failover-from': 'eu1',
    'x-real-ip': '6.6.6.6',
    'x-forwarded-for': '6.6.6.6',
    forwarded: 'for=6.6.6.6',
    'cf-ipcountry': 'XX',
    'x-request-id': 'forged',
  }
  await ask(`/v1/sandboxes/${aSandboxIn('usw1')}`, { headers: { ...forged, 'x-mine': 'kept', accept: 'text/csv' } })
  const headers = usw1.received[0]?.headers ?? {}
  assert.equal(headers['x-mine'], 'kept')
  assert.equal(headers.accept, 'text/csv')
  for (const [name, value] of Object.entries(forged)) assert.notEqual(headers[name], value, name)
})

test('what regions say to the edge does not reach the client', async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond((_received, response) => {
    response.writeHead(200, { 'x-origin': '1', 'x-region-load': '0.5', 'server-timing': 'db;dur=2', etag: '"e"' })
    response.end('{}')
  })
  const { headers } = await ask(`/v1/sandboxes/${aSandboxIn('usw1')}`)
  assert.equal(headers.get('x-origin'), null)
  assert.equal(headers.get('x-region-load'), null)
  assert.equal(headers.get('etag'), '"e"')
  assert.match(headers.get('server-timing') ?? '', /^edge;dur=\d+, region;dur=\d+, db;dur=2$/)
})

test('missing, malformed, mistyped, unknown, revoked and expired keys are told apart, and no region hears of them', async (t) => {
  const stage = await setStage(t)
  const revoked = await stage.addKey({ status: 'revoked' })
  const expired = await stage.addKey({ expires: Date.now() - 1 })
  const mistyped = stage.apiKey.slice(0, -1) + (stage.apiKey.endsWith('0') ? '1' : '0')
  const cases: [string | null, string][] = [
    [null, 'missing_token'],
    ['not-a-key', 'invalid_token'],
    [mistyped, 'invalid_token'],
    [freshKey(), 'invalid_token'],
    [revoked, 'revoked_token'],
    [expired, 'revoked_token'],
  ]
  for (const [key, code] of cases) {
    const answer = await stage.ask('/v1/sandboxes', { key })
    assert.equal(answer.status, 401, code)
    const body = (await answer.json()) as { ok: boolean; request_id: string; error: { code: string; next: string } }
    assert.equal(body.error.code, code)
    assert.equal(body.ok, false)
    assert.ok(body.error.next.length > 10)
    assert.equal(body.request_id, answer.headers.get('x-request-id'))
  }
  nobodyAsked(stage)
})

test('a key in the URL is refused, even beside a good one in the header', async (t) => {
  const stage = await setStage(t)
  for (const search of [`?api_key=${stage.apiKey}`, `?a=1&t=${encodeURIComponent(stage.apiKey).replace('_', '%5F')}`]) {
    const answer = await stage.ask(`/v1/sandboxes${search}`)
    assert.equal(answer.status, 401)
    const text = await answer.text()
    assert.match(text, /in the URL/)
    assert.ok(!text.includes(stage.apiKey.slice(9)))
  }
  nobodyAsked(stage)
})

test('a missing scope is named, and routes without one pass', async (t) => {
  const stage = await setStage(t, { key: { scopes: ['sandboxes:read'] } })
  const answer = await stage.ask('/v1/sandboxes/run', post({ command: 'true' }))
  assert.equal(answer.status, 403)
  const error = await errorOf(answer)
  assert.equal(error.code, 'insufficient_scope')
  assert.match(error.message, /sandboxes:write/)
  nobodyAsked(stage)
  assert.equal((await stage.ask(`/v1/sandboxes/${aSandboxIn('usw1')}`)).status, 200)
})

test('a new key is known 5 s after it was refused as unknown, and a revoked one is refused within the time of a copy', async (t) => {
  const { ask, edge } = await setStage(t)
  const key = freshKey()
  assert.equal((await ask('/v1/sandboxes/sbx_x', { key })).status, 401)
  await edge.putKv('KEYS', `k:${hashOf(key)}`, aKeyRecord())
  await until('it to be known', async () => (await ask('/v1/sandboxes/sbx_x', { key })).status === 404)
  await edge.putKv('KEYS', `k:${hashOf(key)}`, aKeyRecord({ status: 'revoked' }))
  await until('it to be refused', async () => (await ask('/v1/sandboxes/sbx_x', { key })).status === 401, 60_000)
})

test('a request that has passed the edge before is a loop', async (t) => {
  const stage = await setStage(t)
  for (const hops of ['1', '7', 'many']) {
    const answer = await stage.ask('/v1/sandboxes', { headers: { 'x-edge-hops': hops } })
    assert.equal(answer.status, 508)
    assert.equal((await errorOf(answer)).code, 'loop_detected')
  }
  nobodyAsked(stage)
})

test('a body over the limit of the tier is refused, declared or not', async (t) => {
  const stage = await setStage(t, { key: { tier: 'free' } })
  const path = `/v1/sandboxes/${aSandboxIn('usw1')}/files`
  const declared = await stage.ask(path, post('x'.repeat(4 * 1024 * 1024 + 1)))
  assert.equal(declared.status, 413)
  assert.equal((await errorOf(declared)).code, 'body_too_large')
  nobodyAsked(stage)
  assert.equal(await sendChunked(stage, path, 5), 413)
  // The region must not take the part that came for the whole.
  nobodyAsked(stage)
  assert.equal(await sendChunked(stage, path, 3), 200)
})

test('a tenant over the requests per minute of its tier is told so in the headers of the draft', async (t) => {
  const { ask } = await setStage(t, { key: { tier: 'free' } })
  const statuses: number[] = []
  let refusal: Response | null = null
  // The counter begins anew with every minute of the clock, which may happen once while this runs.
  for (let sent = 0; sent < 2 * 600 + 2 && refusal === null; sent += 1) {
    const answer = await ask('/v1/sandboxes/sbx_x')
    statuses.push(answer.status)
    if (answer.status === 429) refusal = answer
  }
  assert.ok(refusal, `after ${statuses.length} requests`)
  assert.equal(refusal.headers.get('ratelimit-policy'), '"requests";q=600;w=60')
  assert.equal(refusal.headers.get('ratelimit'), '"requests";r=0;t=60')
  assert.equal(refusal.headers.get('retry-after'), '60')
  assert.equal((await errorOf(refusal)).code, 'rate_limit_exceeded')
})

/** A body without a declared length, in MiB. Resolves to the status. */
function sendChunked({ edge, apiKey }: Stage, path: string, mib: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, edge.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}` },
    })
    request.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('error', reject)
    for (let written = 0; written < mib; written += 1) request.write(Buffer.alloc(1024 * 1024))
    request.end()
  })
}
