/** Words for browsers: less than the key they were made with, for less time, and gone when it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EncryptJWT, SignJWT } from 'jose'
import { SCOPES } from '../../../../shared/accounts.ts'
import { BROWSER_TOKEN } from '../../../../shared/browser-token.ts'
import { type Answer, at, type TestRegion, textAt, until } from '../support/region.ts'

export function tokenPromises(regionOf: () => TestRegion): void {
  const refusal = (answer: Answer) => [answer.status, textAt(answer.json, 'error', 'code')]
  const mint = async (body: object, key = regionOf().key) => {
    const answer = await regionOf().ask('/v1/tokens', { method: 'POST', key, body })
    assert.equal(answer.status, 201, answer.text)
    return textAt(answer.json, 'data', 'token')
  }
  const get = (path: string, key: string | null) => regionOf().ask(path, { key })
  const stream = async (path: string): Promise<Answer> => {
    const stop = new AbortController()
    const response = await fetch(regionOf().url + path, { signal: stop.signal })
    const text = response.ok ? '' : await response.text()
    stop.abort()
    return { status: response.status, headers: response.headers, text, json: text === '' ? {} : JSON.parse(text) }
  }

  test('a token may what it says and nothing else, and makes neither keys nor tokens', async () => {
    const token = await mint({ scopes: ['sandboxes:read', 'keys:write', 'keys:read'] })
    assert.equal((await get('/v1/sandboxes', token)).status, 200)
    const create = await regionOf().ask('/v1/sandboxes', { method: 'POST', key: token, body: {} })
    assert.deepEqual(refusal(create), [403, 'insufficient_scope'])
    for (const path of ['/v1/tokens', '/v1/api-keys']) {
      const answer = await regionOf().ask(path, { method: 'POST', key: token, body: { scopes: ['sandboxes:read'] } })
      assert.deepEqual(refusal(answer), [403, 'owner_key_required'])
    }
    assert.deepEqual(refusal(await get('/v1/api-keys', token)), [403, 'owner_key_required'])
  })

  test('nobody makes a token that may more than they', async () => {
    const { key } = await regionOf().newKey({ scopes: ['sandboxes:read'] })
    const wider = await regionOf().ask('/v1/tokens', { method: 'POST', key, body: { scopes: ['sandboxes:write'] } })
    assert.deepEqual(refusal(wider), [403, 'insufficient_scope'])
    const scoped = await regionOf().ask('/v1/api-keys/scoped', {
      method: 'POST',
      body: { external_user_id: 'u1', scopes: [...SCOPES] },
    })
    const other = await regionOf().ask('/v1/tokens', {
      method: 'POST',
      key: textAt(scoped.json, 'data', 'key'),
      body: { scopes: ['sandboxes:read'], external_user_id: 'u2' },
    })
    assert.deepEqual(refusal(other), [403, 'owner_key_required'])
  })

  test('a token for one sandbox or one end user sees no other', async () => {
    const made = async (body: object) =>
      textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body })).json, 'data', 'id')
    const [mine, theirs] = [await made({ external_user_id: 'u1' }), await made({ external_user_id: 'u2' })]
    const scopes = ['sandboxes:read', 'sandboxes:exec', 'sandboxes:write']
    for (const limits of [{ sandbox_id: mine }, { external_user_id: 'u1' }]) {
      const token = await mint({ scopes, ...limits })
      assert.equal((await get(`/v1/sandboxes/${mine}`, token)).status, 200)
      assert.deepEqual(refusal(await get(`/v1/sandboxes/${theirs}`, token)), [404, 'sandbox_not_found'])
      const exec = { method: 'POST', key: token, body: { command: 'true' } }
      assert.equal((await regionOf().ask(`/v1/sandboxes/${theirs}/exec`, exec)).status, 404)
      const listed = at((await get('/v1/sandboxes', token)).json, 'data') as { id: string }[]
      assert.deepEqual(
        listed.map(({ id }) => id),
        [mine],
      )
    }
  })

  test('a token ends with its time, and with the key that made it', async () => {
    const brief = await mint({ scopes: ['sandboxes:read'], ttl_sec: 1 })
    await until('the token to expire', async () => (await get('/v1/sandboxes', brief)).status === 401)
    const parent = await regionOf().ask('/v1/api-keys', { method: 'POST', body: { scopes: ['sandboxes:read'] } })
    const token = await mint({ scopes: ['sandboxes:read'] }, textAt(parent.json, 'data', 'key'))
    assert.equal((await get('/v1/sandboxes', token)).status, 200)
    await regionOf().ask(`/v1/api-keys/${textAt(parent.json, 'data', 'id')}`, { method: 'DELETE' })
    assert.deepEqual(refusal(await get('/v1/sandboxes', token)), [401, 'revoked_token'])
  })

  test('a token ends with the very secret that made it, though its key goes on with another', async () => {
    const made = await regionOf().ask('/v1/api-keys', { method: 'POST', body: { scopes: [...SCOPES] } })
    const [id, first] = [textAt(made.json, 'data', 'id'), textAt(made.json, 'data', 'key')]
    const rotate = (graceSec: number, key: string) =>
      regionOf().ask(`/v1/api-keys/${id}/rotate`, { method: 'POST', key, body: { grace_sec: graceSec } })
    const second = textAt((await rotate(1, first)).json, 'data', 'key')
    const [old, current] = [
      await mint({ scopes: ['sandboxes:read'] }, first),
      await mint({ scopes: ['sandboxes:read'] }, second),
    ]
    assert.deepEqual(
      [(await get('/v1/sandboxes', old)).status, (await get('/v1/sandboxes', current)).status],
      [200, 200],
    )
    await until('the grace to end', async () => (await get('/v1/sandboxes', old)).status === 401)
    assert.equal((await get('/v1/sandboxes', current)).status, 200)
  })

  test('a token that is forged, altered or of another kind is refused', async () => {
    const token = await mint({ scopes: ['sandboxes:read'] })
    const [head = '', , iv = '', body = '', seal = ''] = token.split('.')
    const bytes = Buffer.from(body, 'base64url')
    bytes[20] = (bytes[20] ?? 0) ^ 1
    const altered = [head, '', iv, bytes.toString('base64url'), seal].join('.')
    const { algorithm: alg, encryption: enc, type: typ } = BROWSER_TOKEN
    const strange = new TextEncoder().encode('another secret of thirty-two by.')
    const foreign = await new EncryptJWT({}).setProtectedHeader({ alg, enc, typ }).encrypt(strange)
    const signed = await new SignJWT({}).setProtectedHeader({ alg: 'HS256', typ }).sign(strange)
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}..${iv}.${body}.${seal}`
    const ticket = await regionOf().ask('/v1/auth/sse-ticket', { method: 'POST', body: {} })
    const jwtOfTicket = textAt(ticket.json, 'ticket').slice('sset_'.length)
    for (const bad of [altered, foreign, signed, none, jwtOfTicket])
      assert.deepEqual(refusal(await get('/v1/sandboxes', bad)), [401, 'invalid_token'])
  })

  // Who finds a token in a browser learns nothing of the key behind it, nor of whom it is for.
  test('nothing in a token can be read by who holds it', async () => {
    const token = await mint({ scopes: ['sandboxes:read'], external_user_id: 'a-user-of-theirs' })
    const [head = '', ...rest] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'))
    assert.deepEqual(Object.keys(JSON.parse(head)).sort(), ['alg', 'enc', 'typ'])
    assert.doesNotMatch(rest.join(), /keyHash|sandboxes|a-user-of-theirs/)
  })

  test('a ticket opens one stream, once, and nothing but a stream', async () => {
    const region = regionOf()
    const id = textAt((await region.ask('/v1/sandboxes', { method: 'POST', body: {} })).json, 'data', 'id')
    const ticket = async (path = '/v1/auth/sse-ticket') => {
      const answer = await region.ask(path, { method: 'POST', body: {} })
      assert.deepEqual([answer.status, at(answer.json, 'expires_in')], [200, 60], answer.text)
      return textAt(answer.json, 'ticket')
    }
    for (const path of ['/v1/auth/sse-ticket', '/v1/sse/ticket', '/api/v1/sse/ticket'])
      assert.match(await ticket(path), /^sset_/)
    const one = await ticket()
    const opening = `/v1/sandboxes/${id}/readiness/stream?ticket=`
    assert.deepEqual(refusal(await stream(`/v1/sandboxes/${id}?ticket=${one}`)), [401, 'invalid_token'])
    assert.equal((await stream(opening + one)).status, 200)
    assert.deepEqual(refusal(await stream(opening + one)), [401, 'invalid_token'])
    for (const bad of ['', 'sset_', 'x', `${one}x`, region.key])
      assert.equal((await stream(opening + encodeURIComponent(bad))).status, 401)
    const written = JSON.stringify(region.logs)
    assert.ok(!written.includes(one.slice('sset_'.length)))
  })
}
