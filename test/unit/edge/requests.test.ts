/** What the edge reads from a request: its class, its headers, its key, its deadline, the words of its body. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { credentialOf } from '../../../edge/accounts/credential.ts'
import { newEdgeKey, regionOfEdgeKey } from '../../../edge/forward/edge-key.ts'
import { classifyRequest } from '../../../edge/requests/classify-request.ts'
import { attemptMs, deadlineMs, parseTimeoutHeader } from '../../../edge/requests/deadline.ts'
import { forwardedHeaders } from '../../../edge/requests/inbound-headers.ts'
import { peekBody } from '../../../edge/requests/peek-body.ts'
import { ALL_ROUTES } from '../../../shared/contracts/all-routes.ts'
import { AppError } from '../../../shared/errors.ts'
import { idInRegion, newApiKey, newId, parseId } from '../../../shared/ids.ts'
import { withoutSecrets } from '../../../shared/redact.ts'

const ID = newId('sbx', 'eu1', 1, new Uint8Array(16))
const classOf = (method: string, path: string): string => {
  const call = classifyRequest(method, new URL(path, 'https://api.example'))
  return call === null ? 'none' : `${call.class} ${call.scope ?? '-'} ${call.idRegion.kind}`
}
const codeOf = (act: () => unknown): string => {
  try {
    return String(act())
  } catch (error) {
    return error instanceof AppError ? error.code : String(error)
  }
}

// A region is not slow because a sandbox is: what had to wait for one would be given up, and its region shut for everybody.
test('what asks inside a sandbox is not held to the time that a look at the database takes', () => {
  const asking = ALL_ROUTES.filter(({ method, scope }) => method === 'GET' && scope === 'sandboxes:exec')
  assert.ok(asking.length > 10)
  for (const { path } of asking) {
    const url = new URL(`https://api.example${path.replace(':id', ID).replace(/:[a-z]+(\{.*\})?/g, 'x')}`)
    assert.equal(classifyRequest('GET', url)?.readsRows, false, path)
  }
  for (const path of [`/v1/sandboxes/${ID}`, `/v1/sandboxes/${ID}/snapshots`, '/v1/sandboxes'])
    assert.equal(classifyRequest('GET', new URL(`https://api.example${path}`))?.readsRows, true, path)
})

test('routes of the contracts are known in both spellings, and what is not known is still classed by what it could do', () => {
  for (const prefix of ['/v1', '/api/v1', '/r/eu/v1', '/r/eu/api/v1']) {
    assert.equal(classOf('POST', `${prefix}/sandboxes`), 'create sandboxes:write none')
    assert.equal(classOf('POST', `${prefix}/sandboxes/run`), 'create-run sandboxes:write none')
    assert.equal(classOf('GET', `${prefix}/sandboxes`), 'list sandboxes:read none')
    assert.equal(classOf('HEAD', `${prefix}/sandboxes`), 'read sandboxes:read none')
    assert.equal(classOf('HEAD', `${prefix}/sandboxes/${ID}`), 'read sandboxes:read code')
    assert.equal(classOf('POST', `${prefix}/sandboxes/${ID}/exec`), 'change sandboxes:exec code')
    assert.equal(classOf('DELETE', `${prefix}/sandboxes/${ID}`), 'change sandboxes:write code')
  }
  assert.equal(classOf('POST', `/v1/sandboxes/${ID}/exec/stream`), 'change sandboxes:exec code')
  assert.equal(classOf('GET', `/v1/sandboxes/${ID}/processes/p_1/stream`), 'read sandboxes:exec code')
  assert.equal(classOf('GET', '/v1/sandboxes/my-box'), 'find sandboxes:read none')
  assert.equal(classOf('GET', '/v1/sandboxes/by-name/my-box'), 'find sandboxes:read none')
  assert.equal(classOf('GET', '/v1/sandboxes/by-name'), 'find sandboxes:read none', 'which is a name, too')
  assert.equal(classOf('GET', `/v1/sandboxes/${ID}/files/tpl_x/sbx_y`), 'read sandboxes:exec code')
  assert.equal(classOf('PUT', `/v1/sandboxes/${ID}/files/a/b/c`), 'change sandboxes:exec code')
  assert.equal(classOf('GET', `/v1/sandboxes/${ID}/files`), 'read sandboxes:exec code')
  assert.equal(classOf('POST', `/v1/sandboxes/${ID}/files/a/b`), 'change - code')
  assert.equal(classOf('POST', `/podflare/v1/sandboxes/${ID}/exec`), 'change sandboxes:exec code')
  assert.equal(classOf('POST', '/podflare/v1/sandboxes'), 'create sandboxes:write none')
  assert.equal(classOf('DELETE', `/podflare/v1/sandboxes/${ID}`), 'change sandboxes:write code')
  assert.equal(classOf('GET', '/v1/templates'), 'read - none')
  const delivery = newId('dlv', 'eu1', 1, new Uint8Array(16))
  const replay = `/v1/webhooks/whk_1/deliveries/${delivery}/replay`
  assert.equal(classOf('POST', replay), 'change webhooks:write code')
  assert.equal(classOf('GET', '/v1/events/stream'), 'read sandboxes:read none')
  assert.equal(classOf('GET', `/v1/events/stream?sandbox_id=${ID}`), 'read sandboxes:read code')
  const place = newId('evt', 'eu1', 1, new Uint8Array(16))
  assert.equal(classOf('GET', `/v1/events/stream?last_event_id=${place}`), 'read sandboxes:read code')
  assert.equal(classOf('GET', `/v1/sandboxes/${ID.replace('_', '%5F')}`), 'read sandboxes:read code')
  assert.equal(classOf('GET', `/v1/sandboxes/${ID}0`), 'read sandboxes:read bad')
  for (const path of ['/', '/metrics', '/readyz', '/v2/sandboxes', '/api', '/api/v2', '/apiv1', '//v1']) {
    assert.equal(classOf('GET', path), 'none', path)
  }
})

test('no path makes the classifier fail, and what is forwarded is what came', () => {
  fc.assert(
    fc.property(fc.webPath(), fc.webQueryParameters(), (path, query) => {
      const url = new URL(`https://api.example/v1${path}?${query}`)
      const call = classifyRequest('GET', url)
      assert.equal((call?.path ?? '') + (call?.search ?? ''), url.pathname + url.search)
    }),
  )
})

test('nothing internal, hop by hop or secret is forwarded, in any spelling, and everything else is', () => {
  const internal = [
    'X-Edge-Token',
    'x-INTERNAL-a',
    'Authorization',
    'x-region-load',
    'X-Origin',
    'x-forwarded-proto',
    'CF-Ray',
    'mf-cf-blob',
    'te',
    'Host',
    'x-failover-x',
  ]
  const others = fc.constantFrom(
    'accept',
    'content-type',
    'idempotency-key',
    'x-custom',
    'range',
    'last-event-id',
    'traceparent',
    'cookie',
  )
  fc.assert(
    fc.property(fc.array(others), fc.array(fc.constantFrom(...internal)), (kept, stripped) => {
      const inbound = [...kept, ...stripped].map((name): [string, string] => [name, 'v'])
      assert.deepEqual(
        forwardedHeaders(inbound, false).map(([name]) => name),
        kept,
      )
    }),
  )
  const hop: [string, string][] = [
    ['connection', 'Upgrade, X-Mine'],
    ['upgrade', 'websocket'],
    ['x-mine', '1'],
  ]
  assert.deepEqual(forwardedHeaders(hop, false), [])
  assert.deepEqual(forwardedHeaders(hop, true), [['upgrade', 'websocket']])
})

test('a key is taken from the header alone, and mistyped ones are told apart without a look-up', () => {
  const key = newApiKey('live', new Uint8Array(32).fill(7))
  assert.deepEqual(credentialOf('GET', `Bearer ${key}`, '?a=1'), { kind: 'key', key })
  assert.deepEqual(credentialOf('POST', `bearer   ${key} `, ''), { kind: 'key', key })
  assert.equal(
    codeOf(() => credentialOf('GET', null, '')),
    'missing_token',
  )
  for (const wrong of ['', 'Bearer', 'Basic abc', key, `Bearer ${key} x`, `Bearer ${key.slice(1)}`, `Bearer ${key}0`]) {
    assert.equal(
      codeOf(() => credentialOf('GET', wrong, '')),
      'invalid_token',
      wrong,
    )
  }
  for (const search of [
    `?key=${key}`,
    `?q=${encodeURIComponent(`x ${key}`)}`,
    `?k=${key.toUpperCase()}`,
    `?%&k=${key}`,
  ]) {
    assert.equal(
      codeOf(() => credentialOf('GET', `Bearer ${key}`, search)),
      'missing_token',
      search,
    )
  }
  assert.equal(withoutSecrets(`/v1?k=${key}&l=${key}`), '/v1?k=atl_REDACTED&l=atl_REDACTED')
})

// A URL is kept in places where a secret should not be; a ticket is good once and for a minute.
test('a ticket is taken from the URL of a GET that has no header, and from nowhere else', () => {
  const [jwt, ticket] = ['eyJhbGciOi..aXY.d29yZA.dGFn', '?ticket=sset_eyJhbGciOi..aXY.d29yZA.dGFn']
  assert.deepEqual(credentialOf('GET', null, ticket), { kind: 'ticket', jwt })
  assert.deepEqual(credentialOf('GET', `Bearer ${jwt}`, ticket), { kind: 'token', jwt })
  for (const [method, search] of [
    ['POST', ticket],
    ['GET', `?ticket=${jwt}`],
    ['GET', '?ticket='],
    ['GET', '?ticket=sset_x'],
  ] as const)
    assert.equal(
      codeOf(() => credentialOf(method, null, search)),
      'invalid_token',
      search,
    )
})

test("the deadline is the platform's time, the command's own, and a slow upload's", () => {
  const body = { runsCommand: false, commandSec: null, streamedBytesMax: 0 } as const
  const waiting = { class: 'create', askedMs: null, readsRows: false, ...body } as const
  assert.equal(deadlineMs(waiting), 25_000)
  assert.equal(deadlineMs({ ...waiting, class: 'read' }), 60_000)
  const reading = { ...waiting, class: 'read', readsRows: true } as const
  assert.deepEqual([deadlineMs(reading), attemptMs(reading), attemptMs(waiting)], [10_000, 5_000, null])
  assert.deepEqual([deadlineMs({ ...reading, askedMs: 500 }), attemptMs({ ...reading, askedMs: 500 })], [500, null])
  assert.equal(deadlineMs({ ...waiting, askedMs: 500 }), 500)
  assert.equal(deadlineMs({ ...waiting, class: 'create-run', runsCommand: true }), 85_000)
  assert.equal(deadlineMs({ ...waiting, class: 'create-run', runsCommand: true, commandSec: 1.5, askedMs: 500 }), 2_000)
  assert.equal(deadlineMs({ ...waiting, runsCommand: true, commandSec: undefined }), 3_625_000)
  assert.equal(deadlineMs({ ...waiting, runsCommand: true, commandSec: -5 }), 25_000)
  assert.equal(deadlineMs({ ...waiting, streamedBytesMax: 64 * 1024 * 100 }), 125_000)
  assert.deepEqual([null, '1', '60000', '99999999'].map(parseTimeoutHeader), [null, 1, 60_000, 60_000])
  for (const wrong of ['0', '-1', '1.5', '', 'ten'])
    assert.equal(
      codeOf(() => parseTimeoutHeader(wrong)),
      'invalid_header',
    )
})

test('peeking into a body never fails and believes only what has the right type', () => {
  const peek = (text: string): unknown => peekBody({ kind: 'kept', bytes: new TextEncoder().encode(text) })
  assert.deepEqual(peek('{"region":"eu","size":"xl","timeout":3}'), { region: 'eu', size: 'xl', timeoutSec: 3 })
  const template = newId('tpl', 'usw1', 1, new Uint8Array(16))
  for (const field of ['template_id', 'template', 'image'])
    assert.deepEqual(peek(JSON.stringify({ [field]: `${template}:2`, region: 'eu' })), {
      region: 'usw1',
      size: null,
      timeoutSec: null,
    })
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const { region, timeoutSec } = peek(text) as { region: unknown; timeoutSec: unknown }
      assert.ok(region === null || typeof region === 'string')
      assert.ok(timeoutSec === null || typeof timeoutSec === 'number')
    }),
  )
})

test("the edge's own idempotency keys name their region; a client's do not", () => {
  const uuid = '0b8f3c1e-9a4d-4c55-8d6e-1f2a3b4c5d6e'
  assert.equal(regionOfEdgeKey(newEdgeKey('eu1', uuid)), 'eu1')
  for (const own of [null, '', 'mine', 'edge-eu1', `edge-EU1-${uuid}`, `edge-eu1-${uuid}x`])
    assert.equal(regionOfEdgeKey(own), null)
})

test('an id keeps its moment in another region', () => {
  const there = parseId(ID)
  assert.ok(there)
  const here = parseId(idInRegion(there, 'usw1'))
  assert.deepEqual(here, { ...there, region: 'usw1' })
})
