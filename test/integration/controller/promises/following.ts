/** A region that follows the home of the accounts: soon the same, and by itself when it is cut off. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { SCOPES } from '../../../../shared/accounts.ts'
import type { TestServer } from '../support/databases.ts'
import { at, INTERNAL, OPERATOR, startRegion, type TestRegion, textAt, until } from '../support/region.ts'
import { type Relay, startRelay } from '../support/relay.ts'

export function followingPromises(homeOf: () => TestRegion, server: () => TestServer): void {
  let relay: Relay | undefined
  let follower: TestRegion | undefined
  before(async () => {
    relay = await startRelay(homeOf().url)
    const env = { ATOLL_REGION_NAME: 'eu', ATOLL_HOME_URL: relay.url }
    follower = await startRegion(await server().createDatabase(), { code: 'eu1', env })
  })
  after(async () => {
    await follower?.close()
    await relay?.close()
  })
  const there = (): TestRegion => follower ?? assert.fail('The follower did not start.')
  const wire = (): Relay => relay ?? assert.fail('The relay did not start.')

  const make = async (body: object = {}) => {
    const answer = await homeOf().ask('/v1/api-keys', { method: 'POST', body: { scopes: [...SCOPES], ...body } })
    assert.equal(answer.status, 201, answer.text)
    return { id: textAt(answer.json, 'data', 'id'), key: textAt(answer.json, 'data', 'key') }
  }
  const revoke = async (id: string) =>
    assert.equal((await homeOf().ask(`/v1/api-keys/${id}`, { method: 'DELETE' })).status, 204)
  const statusOf = async (key: string) => (await there().ask('/v1/sandboxes', { key })).status
  const untilStatus = (key: string, status: number) =>
    until(`the follower to answer ${status}`, async () => (await statusOf(key)) === status)
  const rowsOf = (region: TestRegion) =>
    region.sql<{ rows: unknown }>(`
      select jsonb_agg(to_jsonb(k) - 'last_used_at' order by id) as rows from api_key k union all
      select jsonb_agg(to_jsonb(t) order by id) from tenant t union all
      select jsonb_agg(to_jsonb(t) order by name) from tier t union all
      select jsonb_agg(to_jsonb(w) order by id) from workspace w union all
      select jsonb_agg(to_jsonb(s) order by hash) from retired_secret s union all
      select jsonb_agg(to_jsonb(e) order by tenant, external_user) from external_limit e`)
  const untilSame = () =>
    until('the follower to have what the home has', async () => {
      const [mine, theirs] = await Promise.all([rowsOf(homeOf()), rowsOf(there())])
      return JSON.stringify(mine) === JSON.stringify(theirs)
    })

  test('a new key works there within a second, a rotated one as it does at home, and a revoked one ends', async () => {
    const { id, key } = await make()
    await untilStatus(key, 200)
    const rotated = await homeOf().ask(`/v1/api-keys/${id}/rotate`, { method: 'POST', body: { grace_sec: 60 } })
    const second = textAt(rotated.json, 'data', 'key')
    await untilStatus(second, 200)
    assert.equal(await statusOf(key), 200)
    await revoke(id)
    await untilStatus(second, 401)
    await untilStatus(key, 401)
  })

  test('everything else of the accounts arrives, too', async () => {
    const ask = (method: string, path: string, body: object, key = homeOf().key) =>
      homeOf().ask(path, { method, body, key })
    await ask('POST', '/v1/workspaces', { name: 'Team', slug: 'team' })
    await ask('PUT', '/v1/quotas/external/u1', { concurrency: 3 })
    const tenant = textAt(
      (await ask('POST', '/v1/admin/tenants', { name: 'x', tier: 'free' }, OPERATOR)).json,
      'data',
      'id',
    )
    await ask('PATCH', `/v1/admin/tenants/${tenant}`, { tier: 'pro', status: 'suspended' }, OPERATOR)
    await untilSame()
  })

  test('accounts are not written there, and the answer says where they are', async () => {
    const { key } = await make()
    await untilStatus(key, 200)
    const refused = await there().ask('/v1/api-keys', { method: 'POST', key, body: { scopes: ['keys:read'] } })
    assert.deepEqual([refused.status, textAt(refused.json, 'error', 'code')], [421, 'not_home_region'])
    assert.equal(textAt(refused.json, 'error', 'details', 'home'), wire().url)
    assert.equal((await there().ask('/v1/api-keys', { key })).status, 200)
  })

  // The whole of a region's use must not hang on another region.
  test('cut off from home it serves the keys that it knows, over a restart too, and catches up afterwards', async () => {
    const known = await make()
    await untilStatus(known.key, 200)
    wire().cut()
    const [unknown, revoked] = [await make(), await make()]
    await revoke(revoked.id)
    await there().restart()
    const made = await there().ask('/v1/sandboxes', { method: 'POST', key: known.key, body: {} })
    assert.equal(made.status, 201, made.text)
    assert.equal(await statusOf(unknown.key), 401)
    await revoke(known.id)
    wire().mend(homeOf().url)
    await untilStatus(unknown.key, 200)
    await untilStatus(known.key, 401)
    assert.equal(await statusOf(revoked.key), 401)
    await untilSame()
  })

  test('many changes in many pages all arrive, however they refer to each other', async () => {
    wire().cut()
    const { accounts, database } = homeOf().running.controller
    await database.pool.query(`
      insert into tenant (id, name, tier, version)
        select 'many_' || n, 'm', 'free', nextval('account_version') from generate_series(1, 40) n;
      insert into api_key (id, hash, tenant, tier, scopes, status, key_version, version)
        select 'key_many_' || n, md5(n::text) || md5(n::text), 'many_' || (n % 40 + 1), 'free', '{}', 'active', 1,
               nextval('account_version') from generate_series(1, 1500) n;
      update tenant set name = 'later', version = nextval('account_version') where id like 'many_%'`)
    accounts.changed()
    wire().mend(homeOf().url)
    await untilSame()
  })

  test('an operator has everything told anew, and the follower ends up the same', async () => {
    const { key } = await make()
    await untilStatus(key, 200)
    // Something that the home has forgotten, at a place that it has passed again unseen.
    await there().sql(`
      insert into api_key (id, hash, tenant, tier, scopes, status, key_version, version)
      select 'key_forgotten', 'x', tenant, tier, '{}', 'active', 1, version from api_key limit 1`)
    assert.equal((await homeOf().ask('/v1/admin/accounts/reissue', { method: 'POST', key: OPERATOR })).status, 204)
    await until('the forgotten key to end', async () => {
      const rows = await there().sql(`select from api_key where id = 'key_forgotten' and status = 'revoked'`)
      return rows.length === 1
    })
    await there().sql(`delete from api_key where id = 'key_forgotten'`)
    assert.equal(await statusOf(key), 200)
    await untilSame()
  })

  test('a home that was restored from a backup is the truth again, and no revoked key wakes', async () => {
    const [kept, lost, woken] = [await make(), await make(), await make()]
    for (const { key } of [kept, lost, woken]) await untilStatus(key, 200)
    await revoke(woken.id)
    await untilStatus(woken.key, 401)
    await untilSame()
    wire().cut()
    // As after a restore: what was written last is forgotten, and versions are drawn again.
    await homeOf().sql(`delete from api_key where id = $1`, [lost.id])
    await homeOf().sql(`update api_key set status = 'active', version = version - 1 where id = $1`, [woken.id])
    await homeOf().sql(`select setval('account_version', last_value - 20) from account_version`)
    wire().mend(homeOf().url)
    await untilStatus(lost.key, 401)
    const fresh = await make()
    await untilStatus(fresh.key, 200)
    assert.deepEqual([await statusOf(kept.key), await statusOf(woken.key)], [200, 401])
  })

  test('the feed is for our own machines only', async () => {
    for (const key of [homeOf().key, OPERATOR, null])
      for (const path of ['/internal/v1/accounts/changes?after=0', `/internal/v1/keys/${'0'.repeat(64)}`])
        assert.equal((await homeOf().ask(path, { key })).status, 401)
    const page = await homeOf().ask('/internal/v1/accounts/changes?after=0&limit=1', { key: INTERNAL })
    assert.equal(page.status, 200)
    assert.ok(Number(at(page.json, 'data', 'place')) > 0)
    assert.equal((await homeOf().ask('/internal/v1/accounts/changes?after=-1', { key: INTERNAL })).status, 422)
  })
}
