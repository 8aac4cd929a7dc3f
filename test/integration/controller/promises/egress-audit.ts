/** Where a sandbox went is told once, to its own tenant, however often its host is asked and whoever asks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EGRESS_AUDIT_ROUTES } from '../../../../shared/contracts/egress-audit.ts'
import type { EgressEntry } from '../../../../shared/contracts/host-egress.ts'
import { type Account, at, type TestRegion, textAt, until } from '../support/region.ts'
import { readSse } from '../support/sse.ts'
import { keyOfUser } from '../support/user-key.ts'

export function egressAuditPromises(regionOf: () => TestRegion): void {
  let seq = 0
  const happened = (sandbox: string, over: Partial<EgressEntry> = {}, host = regionOf().host): void => {
    seq += 1
    const entry: EgressEntry = {
      seq,
      sandbox,
      at_ms: Date.now() - 5,
      host: 'api.example.com',
      port: 443,
      action: 'allowed',
      reason: 'rule',
      rule: 'own_1',
      bytes_up: 10,
      bytes_down: 20,
      missed: 0,
      ...over,
    }
    host.egressEntries.push(entry)
  }
  const create = async ({ key }: Pick<Account, 'key'>, body: object = {}): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', key, body })).json, 'data', 'id')
  const read = async (key: string, search = '') => {
    const answer = await regionOf().ask(`/v1/egress/audit${search}`, { key })
    assert.equal(answer.status, 200, answer.text)
    return EGRESS_AUDIT_ROUTES.list.answer.parse(answer.json)
  }
  const untilTold = (key: string, count: number) =>
    until(`${count} entries`, async () => (await read(key)).data.length >= count)

  test('every entry is told once and in its order, also while two controllers collect', async () => {
    const { key } = await regionOf().newKey()
    const id = await create({ key })
    const second = await regionOf().join()
    try {
      for (let n = 0; n < 40; n++) happened(id, { path: `/${n}`, method: 'GET' })
      await untilTold(key, 40)
      await regionOf().running.controller.instance.resign()
      for (let n = 40; n < 60; n++) happened(id, { path: `/${n}`, method: 'GET' })
      await untilTold(key, 60)
    } finally {
      await second.stop()
      await regionOf().restart()
    }
    const { data } = await read(key)
    assert.deepEqual(
      data.map(({ path }) => path),
      Array.from({ length: 60 }, (_, n) => `/${59 - n}`),
    )
    const [newest] = data
    assert.deepEqual(
      [newest?.resource_id, newest?.host, newest?.port, newest?.rule_id, newest?.bytes_up, newest?.bytes_down],
      [id, 'api.example.com', 443, 'own_1', 10, 20],
    )
  })

  test('a list is narrowed, cut into pages, and gone on with from the last moment, without a gap', async () => {
    const { key } = await regionOf().newKey()
    const users = { external_user_id: 'u1', external_workspace_id: 'w1' }
    const [one, other] = [await create({ key }, users), await create({ key })]
    for (let n = 0; n < 7; n++)
      happened(n % 2 === 0 ? one : other, n < 3 ? { host: 'no.example', action: 'denied', reason: 'default' } : {})
    await untilTold(key, 7)
    const all = (await read(key)).data
    assert.equal((await read(key, `?resource_id=${one}&resource_type=sandbox`)).data.length, 4)
    assert.equal((await read(key, '?host=No.example')).data.length, 3)
    for (const narrowed of ['external_user_id=u', 'external_workspace_id=w']) {
      const found = (await read(key, `?${narrowed}1`)).data
      assert.deepEqual(new Set(found.map(({ resource_id }) => resource_id)), new Set([one]), narrowed)
      assert.equal(found.length, 4, narrowed)
      assert.deepEqual((await read(key, `?${narrowed}2`)).data, [], narrowed)
    }
    assert.equal((await read(key, '?action=denied')).data.length, 3)
    const first = await read(key, '?limit=4')
    const rest = await read(key, `?limit=4&cursor=${first.next_cursor}`)
    assert.deepEqual([...first.data, ...rest.data], all)
    assert.equal(rest.next_cursor, null)
    const last = all[0]?.inserted_at ?? ''
    assert.deepEqual((await read(key, `?since=${last}`)).data, [])
    happened(one, { path: '/later' })
    await untilTold(key, 8)
    assert.deepEqual(
      (await read(key, `?since=${last}`)).data.map(({ path }) => path),
      ['/later'],
    )
    assert.deepEqual(
      (await read(key, `?until=${last}`)).data,
      all.filter(({ inserted_at }) => inserted_at < last),
    )
    const entry = await regionOf().ask(`/v1/egress/audit/${all[0]?.id}`, { key })
    assert.deepEqual(at(entry.json, 'data'), all[0])
    assert.equal((await regionOf().ask('/v1/egress/audit?cursor=aud_1', { key })).status, 422)
  })

  test('what was refused for want of a rule is suggested, and nothing else', async () => {
    const { key } = await regionOf().newKey()
    const id = await create({ key })
    for (let n = 0; n < 3; n++)
      happened(id, { host: 'want.example', action: 'denied', reason: 'default', rule: undefined })
    happened(id, { host: 'seen.example', action: 'allowed', reason: 'audit_only', rule: undefined })
    happened(id, { host: 'ruled.example', action: 'denied', reason: 'rule' })
    happened(id, { host: '10.0.0.1', action: 'denied', reason: 'address', rule: undefined })
    await untilTold(key, 6)
    const answer = await regionOf().ask('/v1/egress/audit/suggestions', { key })
    const { data } = EGRESS_AUDIT_ROUTES.suggestions.answer.parse(answer.json)
    assert.deepEqual(
      data.map(({ host, count, effect }) => [host, count, effect]),
      [
        ['seen.example', 1, 'allow'],
        ['want.example', 3, 'allow'],
      ],
    )
  })

  test('a stream tells of one sandbox as it goes out, goes on where it broke off, and ends with it', async () => {
    const { key } = await regionOf().newKey()
    const [id, other] = [await create({ key }), await create({ key })]
    happened(id, { path: '/before' })
    await untilTold(key, 1)
    const follow = (headers: Record<string, string> = {}) =>
      readSse(`${regionOf().url}/v1/sandboxes/${id}/audit/stream`, { authorization: `Bearer ${key}`, ...headers })
    const first = await follow()
    happened(other, { path: '/other' })
    happened(id, { path: '/one' })
    const [one] = await first.take(1)
    assert.deepEqual([one?.event, one?.data.type, one?.data.path], ['egress', 'egress', '/one'])
    first.close()
    happened(id, { path: '/two' })
    await untilTold(key, 4)
    const second = await follow({ 'last-event-id': one?.id ?? '' })
    happened(id, { path: '/three' })
    assert.deepEqual(
      (await second.take(2)).map(({ data }) => data.path),
      ['/two', '/three'],
    )
    const wrong = await follow({ 'last-event-id': 'aud_1' })
    assert.equal(wrong.status, 422)
    await regionOf().ask(`/v1/sandboxes/${id}`, { method: 'DELETE', key })
    await second.ended()
    assert.equal(second.frames.at(-1)?.event, 'end')
    const { key: stranger } = await regionOf().newKey()
    assert.equal((await regionOf().ask(`/v1/sandboxes/${id}/audit/stream`, { key: stranger })).status, 404)
  })

  // A customer's own machine may say anything.
  test('nobody hears of another one, and what a host says of what it does not have is not believed', async () => {
    const { key, tenant } = await regionOf().newKey()
    const stranger = await regionOf().newKey()
    const user = await keyOfUser(regionOf(), tenant, 'u1')
    const [mine, theirs] = [await create({ key }), await create({ key: user })]
    happened(mine, { path: '/mine\0' })
    happened(theirs, { path: '/theirs' })
    const elsewhere = await create(stranger)
    await regionOf().sql(
      `insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
       select 'h9', false, false, 1, 1, 1, 1, now() where not exists (select from host where id = 'h9')`,
    )
    await regionOf().sql(`update sandbox set host = 'h9' where id = $1`, [elsewhere])
    happened(elsewhere, { path: '/forged' })
    happened('sbx_usw1_none')
    happened(mine, { path: '/last' })
    await until('the last entry', async () => (await read(key)).data.some(({ path }) => path === '/last'))
    const paths = async (who: string) => (await read(who)).data.map(({ path }) => path).sort()
    assert.deepEqual(await paths(key), ['/last', '/mine', '/theirs'])
    assert.deepEqual(await paths(user), ['/theirs'])
    assert.deepEqual(await paths(stranger.key), [])
    const [own] = (await read(key, `?resource_id=${mine}`)).data
    assert.equal((await regionOf().ask(`/v1/egress/audit/${own?.id}`, { key: user })).status, 404)
    await regionOf().sql(`update sandbox set host = 'h1' where id = $1`, [elsewhere])
  })
}
