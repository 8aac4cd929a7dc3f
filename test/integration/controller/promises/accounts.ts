/** Who may do what: keys, scopes, tenants, and the edge's word. */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { EDGE_TOKEN } from '../../../../shared/edge-token.ts'
import { newApiKey } from '../../../../shared/ids.ts'
import { at, edgeToken, foreignEdgeKey, type TestRegion, type TokenChanges, textAt } from '../support/region.ts'

export function accountPromises(regionOf: () => TestRegion): void {
  test('one tenant never sees, uses or ends what another has: everything is a 404', async () => {
    const region = regionOf()
    const [mine, theirs] = [await region.newKey(), await region.newKey()]
    const made = await region.ask('/v1/sandboxes', { method: 'POST', key: mine.key, body: { name: 'secret' } })
    const id = textAt(made.json, 'data', 'id')
    for (const reference of [id, 'secret'])
      for (const [method, suffix, body] of [
        ['GET', '', undefined],
        ['DELETE', '', undefined],
        ['POST', '/exec', { command: 'echo 1' }],
        ['POST', '/pause', {}],
        ['POST', '/resume', {}],
      ] as const) {
        const answer = await region.ask(`/v1/sandboxes/${reference}${suffix}`, { method, key: theirs.key, body })
        assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [404, 'sandbox_not_found'], answer.text)
        assert.ok(!answer.text.includes(mine.tenant))
      }
    const listed = await region.ask('/v1/sandboxes', { key: theirs.key })
    assert.deepEqual(at(listed.json, 'data'), [])
    const cursor = await region.ask(`/v1/sandboxes?cursor=${id}`, { key: theirs.key })
    assert.deepEqual(at(cursor.json, 'data'), [])
  })

  test('a well-formed key that nobody has is refused', async () => {
    const answer = await regionOf().ask('/v1/sandboxes', { key: newApiKey('live', randomBytes(32)) })
    assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [401, 'invalid_token'])
  })

  // The cache may be stale for seconds; a revoked key must change nothing in them.
  test('a revoked or expired key changes nothing from that moment, even while it is still cached', async () => {
    const region = regionOf()
    for (const end of [`status = 'revoked'`, `expires_at = now() - interval '1 second'`]) {
      const account = await region.newKey()
      const made = await region.ask('/v1/sandboxes', { method: 'POST', key: account.key, body: {} })
      const path = `/v1/sandboxes/${textAt(made.json, 'data', 'id')}`
      await region.sql(`update api_key set ${end} where id = $1`, [account.keyId])
      for (const [method, target, body] of [
        ['POST', '/v1/sandboxes', {}],
        ['POST', '/v1/sandboxes/run', { command: 'echo 1' }],
        ['POST', `${path}/exec`, { command: 'echo 1' }],
        ['POST', `${path}/pause`, {}],
        ['DELETE', path, undefined],
      ] as const) {
        const answer = await region.ask(target, { method, key: account.key, body })
        assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [401, 'revoked_token'], answer.text)
      }
    }
  })

  test('a scope that is missing is named', async () => {
    const region = regionOf()
    const { key } = await region.newKey({ scopes: ['sandboxes:read'] })
    assert.equal((await region.ask('/v1/sandboxes', { key })).status, 200)
    const answer = await region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })
    assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [403, 'insufficient_scope'])
    assert.equal(textAt(answer.json, 'error', 'details', 'scope'), 'sandboxes:write')
  })

  test('the edge is believed when it signs this request, and its request id is kept', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const path = '/v1/sandboxes?limit=5'
    const token = await edgeToken(account, 'GET', path)
    const answer = await region.ask(path, { key: null, headers: { [EDGE_TOKEN.header]: token } })
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers.get('x-request-id'), 'req_from_the_edge')
  })

  const POST = '/v1/sandboxes'
  const refused: [string, TokenChanges][] = [
    ['forged', { signWith: foreignEdgeKey() }],
    ['expired', { expiresInSec: -30 }],
    ['for another region', { audience: 'region:eu1' }],
    ['for another path', { path: '/v1/sandboxes/other' }],
    ['for another method', { method: 'DELETE' }],
    ['for another body', { body: '{"name":"other"}' }],
  ]
  for (const [what, changes] of refused)
    test(`a token that is ${what} is refused`, async () => {
      const region = regionOf()
      const account = await region.newKey()
      const token = await edgeToken(account, 'POST', POST, changes)
      const answer = await region.ask(POST, {
        method: 'POST',
        key: null,
        body: {},
        headers: { [EDGE_TOKEN.header]: token },
      })
      assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [401, 'invalid_token'], answer.text)
      assert.deepEqual(await region.sql('select from sandbox where tenant = $1', [account.tenant]), [])
    })

  test('a token for a change is good once, and a key that was revoked is good for none', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const send = async (changes: TokenChanges = {}) =>
      region.ask(POST, {
        method: 'POST',
        key: null,
        body: {},
        headers: { [EDGE_TOKEN.header]: await edgeToken(account, 'POST', POST, changes) },
      })
    const jti = randomUUID()
    assert.equal((await send({ jti, body: '{}' })).status, 201)
    assert.equal((await send({ jti })).status, 401)
    await region.sql(`update api_key set status = 'revoked' where id = $1`, [account.keyId])
    const revoked = await send()
    assert.deepEqual([revoked.status, textAt(revoked.json, 'error', 'code')], [401, 'revoked_token'])
  })

  test('the idempotency key that the edge made for a caller counts as one', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const send = async () =>
      region.ask(POST, {
        method: 'POST',
        key: null,
        body: {},
        headers: { [EDGE_TOKEN.header]: await edgeToken(account, 'POST', POST, { idempotencyKey: 'edge-1' }) },
      })
    const [first, second] = [await send(), await send()]
    assert.equal(second.headers.get('idempotent-replayed'), 'true')
    assert.equal(first.text, second.text)
  })

  test('no key, hash or token is ever in the log', async () => {
    const region = regionOf()
    const words = JSON.stringify(region.logs)
    assert.ok(!words.includes(region.key))
    assert.doesNotMatch(words, /atl_(live|test)_|eyJ[A-Za-z0-9]/)
  })
}
