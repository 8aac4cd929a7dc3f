/** A create that the edge has made elsewhere leaves nothing here, whenever the word of it comes. */
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, at, INTERNAL, type TestRegion, textAt, until } from '../support/region.ts'
import { keyOfUser } from '../support/user-key.ts'

const BODY = '{"tags":["orphan"]}'
const BODY_SHA256 = createHash('sha256').update(BODY).digest('hex')

export function orphanPromises(regionOf: () => TestRegion): void {
  const create = (account: { key: string }, idempotencyKey: string, raw = BODY) =>
    regionOf().ask('/v1/sandboxes', {
      method: 'POST',
      key: account.key,
      raw,
      headers: { 'idempotency-key': idempotencyKey },
    })
  const abandon = (tenant: string, idempotencyKey: string, more: object = {}, key: string = INTERNAL) =>
    regionOf().ask('/internal/v1/orphans', {
      method: 'POST',
      key,
      body: { tenant, idempotency_key: idempotencyKey, body_sha256: BODY_SHA256, owner: 'eu1', ...more },
    })
  const assertElsewhere = (answer: Answer): void => {
    assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [409, 'idempotency_elsewhere'], answer.text)
    assert.deepEqual(at(answer.json, 'error', 'details'), { region: 'eu1' })
    assert.equal(answer.headers.get('idempotent-replayed'), 'true')
  }
  const live = async (account: { key: string }): Promise<unknown> =>
    at((await regionOf().ask('/v1/sandboxes', account)).json, 'data')

  test('one that was served is destroyed, its key names the other region, and a repeat changes nothing', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const key = randomUUID()
    const id = textAt((await create(account, key)).json, 'data', 'id')
    const [first, second] = [await abandon(account.tenant, key), await abandon(account.tenant, key)]
    assert.deepEqual([at(first.json, 'data'), at(second.json, 'data')], [{ sandbox_id: id }, { sandbox_id: null }])
    assert.ok(!region.host.vms.has(id))
    assert.deepEqual(await live(account), [])
    for (let tries = 0; tries < 2; tries++) assertElsewhere(await create(account, key))
  })

  test('one that has not come yet makes nothing when it comes', async () => {
    const account = await regionOf().newKey()
    const key = randomUUID()
    assert.deepEqual(at((await abandon(account.tenant, key)).json, 'data'), { sandbox_id: null })
    assertElsewhere(await create(account, key))
    assert.deepEqual(await live(account), [])
  })

  test('one that is under way comes to nothing, for its caller and for those who wait with its key', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const key = randomUUID()
    const gate = Promise.withResolvers<void>()
    region.host.mishaps.push({ kind: 'hang', until: gate.promise })
    const first = create(account, key)
    await until('the row', async () => at(await live(account), 'length') === 1)
    const waiting = create(account, key)
    await abandon(account.tenant, key)
    assertElsewhere(await waiting)
    gate.resolve()
    const answer = await first
    assert.ok(answer.status >= 400, answer.text)
    assertElsewhere(await create(account, key))
    const machines = () => region.sql('select from sandbox where tenant = $1 and released_at is null', [account.tenant])
    await until('nothing to be left', async () => (await machines()).length === 0)
    assert.deepEqual(await live(account), [])
  })

  test('20 words of it, and the create itself, race to the same end', async () => {
    const region = regionOf()
    for (let round = 0; round < 5; round++) {
      const account = await region.newKey()
      const key = randomUUID()
      await Promise.all([
        create(account, key),
        ...Array.from({ length: 20 }, () => abandon(account.tenant, key)),
        create(account, key),
      ])
      assertElsewhere(await create(account, key))
      assert.deepEqual(await live(account), [])
      assert.deepEqual(
        await region.sql('select used from quota_grant where tenant = $1 and used <> 0', [account.tenant]),
        [],
      )
    }
  })

  test('only the request that it was is given up: not one with another body, of another user, or of another day', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const user = { key: await keyOfUser(region, account.tenant, 'u1') }
    const [other, theirs, old] = [randomUUID(), randomUUID(), randomUUID()]
    await create(account, other, '{}')
    await abandon(account.tenant, other)
    await create(user, theirs)
    await abandon(account.tenant, theirs)
    await create(account, old)
    await region.sql(`update idempotency set expires_at = now() - interval '1 second' where key = $1`, [old])
    await abandon(account.tenant, old)
    assert.equal(at(await live(account), 'length'), 3)
    const own = await abandon(account.tenant, theirs, { external_user_id: 'u1' })
    assert.notEqual(at(own.json, 'data', 'sandbox_id'), null)
    assert.equal(at(await live(account), 'length'), 2)
  })

  test('nobody but our own machines may say so', async () => {
    const account = await regionOf().newKey()
    const key = randomUUID()
    await create(account, key)
    assert.equal((await abandon(account.tenant, key, {}, account.key)).status, 401)
    assert.equal((await abandon(account.tenant, key, { owner: '../x' })).status, 422)
    assert.equal(at(await live(account), 'length'), 1)
  })
}
