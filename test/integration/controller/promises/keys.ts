/** API keys and what they make: each no wider than its maker, each gone when it is revoked, no secret where it could be read. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { SCOPES } from '../../../../shared/accounts.ts'
import { ACCOUNT_ROUTES } from '../../../../shared/contracts/accounts.ts'
import { type Answer, type Ask, at, OPERATOR, type TestRegion, textAt, until } from '../support/region.ts'

export function keyPromises(regionOf: () => TestRegion): void {
  const refusal = (answer: Answer) => [answer.status, textAt(answer.json, 'error', 'code')]
  const send = (path: string, body: unknown, options: Ask = {}) =>
    regionOf().ask(path, { method: 'POST', body, ...options })
  const make = async (body: object = {}, key = regionOf().key) => {
    const answer = await send('/v1/api-keys', { name: 'ci', scopes: [...SCOPES], ...body }, { key })
    assert.equal(answer.status, 201, answer.text)
    return ACCOUNT_ROUTES.createKey.answer.parse(answer.json).data
  }
  const works = async (key: string) => (await regionOf().ask('/v1/sandboxes', { key })).status

  test('a new key works at once, its secret is told once, and the database never has it', async () => {
    const region = regionOf()
    const made = await make({ scopes: ['sandboxes:read'], purpose: 'tests' })
    assert.equal(made.key, made.token)
    assert.ok(made.key.startsWith(made.key_prefix))
    assert.equal(await works(made.key), 200)
    const read = await region.ask(`/v1/api-keys/${made.id}`)
    const listed = await region.ask('/v1/api-keys')
    const stored = await region.sql(
      'select to_jsonb(a) as row from api_key a union all select to_jsonb(i) from idempotency i',
    )
    for (const text of [read.text, listed.text, JSON.stringify(stored)]) assert.ok(!text.includes(made.key), text)
    const { key: _key, token: _token, ...record } = made
    assert.deepEqual(at(read.json, 'data'), record)
  })

  test('the same Idempotency-Key gives the same secret again, sealed meanwhile, and another body is refused', async () => {
    const region = regionOf()
    const headers = { 'idempotency-key': randomUUID() }
    const body = { name: 'once', scopes: ['sandboxes:read'] }
    const answers = await Promise.all([1, 2, 3].map(() => send('/v1/api-keys', body, { headers })))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
    const [row] = await region.sql<{ response: string }>('select response from idempotency where key = $1', [
      headers['idempotency-key'],
    ])
    assert.ok(row !== undefined && !row.response.includes('atl_'))
    const other = await send('/v1/api-keys', { ...body, name: 'other' }, { headers })
    assert.deepEqual(refusal(other), [422, 'idempotency_key_reused'])
  })

  test('a revoked key is refused from the answer on, stays listed, and revoking it again changes nothing', async () => {
    const made = await make()
    assert.equal(await works(made.key), 200)
    for (let n = 0; n < 2; n++)
      assert.equal((await regionOf().ask(`/v1/api-keys/${made.id}`, { method: 'DELETE' })).status, 204)
    assert.equal(await works(made.key), 401)
    assert.equal(textAt((await regionOf().ask(`/v1/api-keys/${made.id}`)).json, 'data', 'status'), 'revoked')
    assert.deepEqual(refusal(await send(`/v1/api-keys/${made.id}/rotate`, {})), [404, 'not_found'])
  })

  test('a rotated key has a new secret, and the old one ends with its grace', async () => {
    const made = await make()
    const rotate = async (graceSec: number) => {
      const answer = await send(`/v1/api-keys/${made.id}/rotate`, { grace_sec: graceSec })
      assert.equal(answer.status, 200, answer.text)
      return textAt(answer.json, 'data', 'key')
    }
    const second = await rotate(60)
    assert.deepEqual([await works(made.key), await works(second)], [200, 200])
    const third = await rotate(0)
    assert.deepEqual([await works(made.key), await works(second), await works(third)], [200, 401, 200])
    const fourth = await rotate(1)
    assert.equal(await works(third), 200)
    await until('the grace to end', async () => (await works(third)) === 401)
    await regionOf().ask(`/v1/api-keys/${made.id}`, { method: 'DELETE' })
    assert.deepEqual([await works(made.key), await works(fourth)], [401, 401])
  })

  // Otherwise a key that leaks could be made to last, or to grow.
  test('no key makes one that has more scopes, looser limits or more time than itself', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const limits = { concurrency: 3, rate_limit_rpm: 100 }
    const parent = await make({ scopes: ['keys:read', 'keys:write'], expires_at: expiresAt, limits })
    const wider = await send('/v1/api-keys', { scopes: ['sandboxes:write'] }, { key: parent.key })
    assert.deepEqual(refusal(wider), [403, 'insufficient_scope'])
    assert.equal(textAt(wider.json, 'error', 'details', 'scope'), 'sandboxes:write')
    const later = { scopes: ['keys:read'], expires_at: new Date(Date.now() + 7_200_000).toISOString() }
    assert.deepEqual(refusal(await send('/v1/api-keys', later, { key: parent.key })), [422, 'invalid_request'])
    const child = await make({ scopes: ['keys:read'], limits: { concurrency: 50, max_size: 'small' } }, parent.key)
    assert.equal(child.expires_at, expiresAt)
    assert.deepEqual(
      [child.limits?.concurrency, child.limits?.rate_limit_rpm, child.limits?.max_size, child.rate_limit_rpm],
      [3, 100, 'small', 100],
    )
  })

  // Whoever gives a key a new secret has it: that must not be a way to a wider key.
  test('no key learns the secret of one that may more, or lives longer, than itself', async () => {
    const wide = await make()
    const soon = new Date(Date.now() + 3_600_000).toISOString()
    const narrow = [
      [{ scopes: ['keys:write'] }, 'insufficient_scope'],
      [{ expires_at: soon }, 'key_too_narrow'],
      [{ limits: { concurrency: 1 } }, 'key_too_narrow'],
    ] as const
    for (const [body, code] of narrow) {
      const { id, key } = await make(body)
      assert.deepEqual(refusal(await send(`/v1/api-keys/${wide.id}/rotate`, {}, { key })), [403, code])
      assert.equal((await send(`/v1/api-keys/${id}/rotate`, {}, { key })).status, 200)
    }
    assert.equal(await works(wide.key), 200)
  })

  test('a key that has been revoked or has expired makes nothing, even while it is cached', async () => {
    for (const end of [`status = 'revoked'`, `expires_at = now() - interval '1 second'`]) {
      const made = await make()
      assert.equal(await works(made.key), 200)
      await regionOf().sql(`update api_key set ${end} where id = $1`, [made.id])
      for (const path of ['/v1/api-keys', '/v1/tokens'])
        assert.deepEqual(refusal(await send(path, { scopes: ['keys:read'] }, { key: made.key })), [
          401,
          'revoked_token',
        ])
    }
  })

  test('a key of an end user manages no accounts, and tells of none', async () => {
    const body = { external_user_id: 'u1', scopes: [...SCOPES], limits: { concurrency: 2 } }
    const made = await send('/v1/api-keys/scoped', body)
    assert.equal(made.status, 201, made.text)
    assert.deepEqual(
      [textAt(made.json, 'data', 'key_type'), textAt(made.json, 'data', 'external_user_id')],
      ['scoped', 'u1'],
    )
    const key = textAt(made.json, 'data', 'key')
    assert.equal(await works(key), 200)
    for (const [method, path, sent] of [
      ['GET', '/v1/api-keys', undefined],
      ['POST', '/v1/api-keys', { scopes: ['sandboxes:read'] }],
      ['POST', '/v1/api-keys/scoped', body],
      ['GET', `/v1/api-keys/${textAt(made.json, 'data', 'id')}`, undefined],
      ['DELETE', `/v1/api-keys/${textAt(made.json, 'data', 'id')}`, undefined],
      ['GET', '/v1/workspaces', undefined],
      ['POST', '/v1/workspaces', { name: 'w' }],
      ['PUT', '/v1/quotas/external/u1', { concurrency: 1_000 }],
    ] as const) {
      const answer = await regionOf().ask(path, { method, key, body: sent })
      assert.deepEqual(refusal(answer), [403, 'owner_key_required'], `${method} ${path}`)
    }
  })

  test('what belongs to another tenant does not exist, by any route of accounts', async () => {
    const region = regionOf()
    const mine = await make()
    const workspace = textAt((await send('/v1/workspaces', { name: 'Mine', slug: 'mine' })).json, 'data', 'id')
    await region.ask('/v1/quotas/external/u9', { method: 'PUT', body: { concurrency: 7 } })
    const { key } = await region.newKey()
    for (const [method, path, body] of [
      ['GET', `/v1/api-keys/${mine.id}`, undefined],
      ['DELETE', `/v1/api-keys/${mine.id}`, undefined],
      ['POST', `/v1/api-keys/${mine.id}/rotate`, {}],
      ['GET', `/v1/workspaces/${workspace}`, undefined],
      ['GET', '/v1/workspaces/mine', undefined],
      ['PATCH', `/v1/workspaces/${workspace}`, { name: 'x' }],
      ['DELETE', `/v1/workspaces/${workspace}`, undefined],
    ] as const)
      assert.deepEqual(refusal(await region.ask(path, { method, key, body })), [404, 'not_found'], `${method} ${path}`)
    for (const path of ['/v1/api-keys', `/v1/api-keys?cursor=${mine.id}`, '/v1/workspaces'])
      assert.ok(!(await region.ask(path, { key })).text.includes(mine.id))
    assert.equal(at((await region.ask('/v1/quotas/external/u9', { key })).json, 'data', 'concurrency'), null)
    assert.equal(await works(mine.key), 200)
  })

  test('a list is newest first, also of keys that were not made here, and goes on exactly where its cursor says', async () => {
    const { key, keyId } = await regionOf().newKey()
    const made = [keyId]
    for (let n = 0; n < 4; n++) made.unshift((await make({}, key)).id)
    const whole = (at((await regionOf().ask('/v1/api-keys', { key })).json, 'data') as { id: string }[]).map(
      ({ id }) => id,
    )
    const paged: string[] = []
    for (let cursor = ''; ; ) {
      const page = await regionOf().ask(`/v1/api-keys?limit=2${cursor && `&cursor=${cursor}`}`, { key })
      paged.push(...(at(page.json, 'data') as { id: string }[]).map(({ id }) => id))
      const next = at(page.json, 'next_cursor')
      if (typeof next !== 'string') break
      cursor = next
    }
    assert.deepEqual([whole, paged], [made, made])
    const { key: another } = await regionOf().newKey()
    for (const path of [`/v1/api-keys?cursor=${whole[2]?.slice(0, -1)}`, `/v1/workspaces?cursor=${whole[2]}`])
      assert.deepEqual(refusal(await regionOf().ask(path, { key })), [422, 'invalid_request'], path)
    const theirs = await regionOf().ask(`/v1/api-keys?cursor=${whole[2]}`, { key: another })
    assert.deepEqual(refusal(theirs), [422, 'invalid_request'], 'the cursor of another tenant')
    const tenants = await regionOf().ask('/v1/admin/tenants?cursor=nobody', { key: OPERATOR })
    assert.deepEqual(refusal(tenants), [422, 'invalid_request'])
  })

  test('a slug is one workspace for ever: taken while it lives, and the same again when it is made again', async () => {
    const { key } = await regionOf().newKey()
    const ask = (method: string, path: string, body?: object) => regionOf().ask(path, { method, key, body })
    const first = await ask('POST', '/v1/workspaces', { name: 'Über Uns' })
    assert.equal(textAt(first.json, 'data', 'slug'), 'uber-uns')
    const slug = textAt(first.json, 'data', 'slug')
    assert.deepEqual(refusal(await ask('POST', '/v1/workspaces', { name: 'x', slug })), [409, 'already_exists'])
    assert.equal(textAt((await ask('PATCH', `/v1/workspaces/${slug}`, { name: 'Us' })).json, 'data', 'name'), 'Us')
    assert.equal((await ask('DELETE', `/v1/workspaces/${slug}`)).status, 204)
    assert.deepEqual(refusal(await ask('GET', `/v1/workspaces/${slug}`)), [404, 'not_found'])
    const again = await ask('POST', '/v1/workspaces', { name: 'x', slug })
    assert.equal(textAt(again.json, 'data', 'id'), textAt(first.json, 'data', 'id'))
  })

  test('the limit of an end user holds for every key, and ends when it is taken back', async () => {
    const { key } = await regionOf().newKey()
    const ask = (method: string, path: string, body?: object) => regionOf().ask(path, { method, key, body })
    const create = () => ask('POST', '/v1/sandboxes', { external_user_id: 'a/b c' })
    const path = `/v1/quotas/external/${encodeURIComponent('a/b c')}`
    assert.equal(at((await ask('PUT', path, { concurrency: 1 })).json, 'data', 'concurrency'), 1)
    assert.deepEqual([(await create()).status, (await create()).status], [201, 429])
    assert.equal((await ask('DELETE', path)).status, 204)
    assert.equal(at((await ask('GET', path)).json, 'data', 'concurrency'), null)
    assert.equal((await create()).status, 201)
  })

  test('an operator makes a tenant and its key, changes its tier and suspends it, at once; nobody else may', async () => {
    const operate = (method: string, path: string, body?: object) =>
      regionOf().ask(path, { method, key: OPERATOR, body })
    const tenant = textAt(
      (await operate('POST', '/v1/admin/tenants', { name: 'New', tier: 'free' })).json,
      'data',
      'id',
    )
    const made = await operate('POST', `/v1/admin/tenants/${tenant}/keys`, { scopes: [...SCOPES] })
    const key = textAt(made.json, 'data', 'key')
    const plan = async () => (await regionOf().ask('/v1/tenant/plan', { key })).json
    assert.deepEqual(
      [textAt(await plan(), 'data', 'tier'), at(await plan(), 'data', 'limits', 'max_size')],
      ['free', 'medium'],
    )
    await operate('PATCH', `/v1/admin/tenants/${tenant}`, { tier: 'pro' })
    assert.deepEqual(
      [textAt(await plan(), 'data', 'tier'), at(await plan(), 'data', 'limits', 'max_size')],
      ['pro', 'large'],
    )
    await operate('PATCH', `/v1/admin/tenants/${tenant}`, { status: 'suspended' })
    assert.deepEqual(refusal(await regionOf().ask('/v1/sandboxes', { key })), [403, 'tenant_suspended'])
    const [row] = await regionOf().sql<{ standing: string }>(
      `select standing_of_key(id, tenant) as standing from api_key where tenant = $1`,
      [tenant],
    )
    assert.equal(row?.standing, 'key_revoked')
    await operate('PATCH', `/v1/admin/tenants/${tenant}`, { status: 'active' })
    assert.equal(await works(key), 200)
    assert.deepEqual(refusal(await operate('PATCH', `/v1/admin/tenants/${tenant}`, { tier: 'none' })), [
      404,
      'not_found',
    ])
    for (const other of [key, regionOf().key, null])
      assert.equal((await regionOf().ask('/v1/admin/tenants', { key: other })).status, 401)
  })

  test('a tier that is made or changed holds for the next request of its tenants', async () => {
    const name = `t${randomUUID().slice(0, 8)}`
    const limits = { concurrency: 1, requestsPerMinute: 10_000, maxSize: 'xs', maxTimeoutSec: 60, maxBodyMib: 1 }
    const put = (changes: object) =>
      regionOf().ask(`/v1/admin/tiers/${name}`, { method: 'PUT', key: OPERATOR, body: { ...limits, ...changes } })
    assert.equal((await put({})).status, 200)
    const { key } = await regionOf().newKey({ tier: name })
    assert.equal((await send('/v1/sandboxes', { size: 'small' }, { key })).status, 403)
    assert.equal((await put({ maxSize: 'small', maxTimeoutSec: 300 })).status, 200)
    assert.equal((await send('/v1/sandboxes', { size: 'small' }, { key })).status, 201)
  })

  test('when a key was last used is known to the minute', async () => {
    const made = await make()
    assert.equal(made.last_used_at, null)
    await works(made.key)
    const { accounts, database } = regionOf().running.controller
    await accounts.uses.write(database.db)
    const read = await regionOf().ask(`/v1/api-keys/${made.id}`)
    const lastUsed = Date.parse(textAt(read.json, 'data', 'last_used_at'))
    assert.ok(Date.now() - lastUsed < 120_000 && lastUsed % 60_000 === 0, read.text)
  })
}
