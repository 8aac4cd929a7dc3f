/** Children go on from where their parent is, beside it; all of them have their places before any is made, and each says what became of it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { HostDouble } from '../support/host-double.ts'
import { memoriesIn, refused } from '../support/memories.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'
import { keyOfUser } from '../support/user-key.ts'

const DEAD = 2_000_000

export function forkPromises(regionOf: () => TestRegion): void {
  const { post, create, remember, recall, fork, remove, listed, stateOf, usedSlots } = memoriesIn(regionOf)
  /** The one that has it. */
  const hostOf = (id: string): HostDouble => {
    const host = regionOf().hosts.find(({ vms }) => vms.has(id))
    assert.ok(host)
    return host
  }
  const records = (answer: { json: unknown }) => at(answer.json, 'data') as unknown[]

  test('children remember what their parent does, and each goes its own way', async () => {
    const parent = await create({ size: 'xs', tags: ['a'], metadata: { team: 'red' }, timeout_sec: 77 })
    await remember(parent, 'red')
    const answer = await post(`/v1/sandboxes/${parent}/fork`, { count: 3, metadata: { try: 1 }, timeout_sec: 99 })
    assert.equal(answer.status, 201, answer.text)
    const children = records(answer).map((record) => textAt(record, 'id'))
    for (const [place, record] of records(answer).entries()) {
      assert.deepEqual(
        ['state', 'size', 'tags', 'metadata', 'timeout_sec', 'template_id', 'name'].map((field) => at(record, field)),
        ['running', 'xs', ['a'], { team: 'red', try: 1 }, 99, 'default', null],
      )
      await remember(children[place] ?? '', `child${place}`)
    }
    for (const [place, child] of children.entries()) assert.equal(await recall(child), `red child${place}`)
    assert.equal(await recall(parent), 'red')
    const vm = hostOf(parent).vms.get(children[0] ?? '')
    assert.ok((vm?.expires_at_ms ?? 0) > Date.now() + 90_000)
  })

  test('without a count there is one child, and the answer is no list', async () => {
    const parent = await create()
    const name = `n-${randomUUID()}`
    const answer = await post(`/v1/sandboxes/${parent}/fork`, { name })
    assert.equal(textAt(answer.json, 'data', 'name'), name, answer.text)
    refused(await post(`/v1/sandboxes/${parent}/fork`, { name }), 409, 'name_taken')
    const grandchild = await post(`/v1/sandboxes/${textAt(answer.json, 'data', 'id')}/fork`)
    assert.equal(grandchild.status, 201, grandchild.text)
  })

  test('as many children as may be, none of no children, and none of what cannot be', async () => {
    const parent = await create()
    for (const body of [
      { count: 0 },
      { count: LIMITS.forkChildrenMax + 1 },
      { count: 1.5 },
      { count: '2' },
      { count: 2, name: 'two' },
      { count: 2, snapshot_id: 'snap_x' },
      { template_id: 'python-datasci' },
    ])
      refused(await post(`/v1/sandboxes/${parent}/fork`, body), 422, 'invalid_request')
    const children = await fork(parent, LIMITS.forkChildrenMax)
    assert.equal(new Set(children).size, LIMITS.forkChildrenMax)
    const host = hostOf(parent)
    assert.ok(children.every((child) => host.vms.get(child)?.state === 'running'))
    await remove(`/v1/sandboxes/${parent}`)
    refused(await post(`/v1/sandboxes/${parent}/fork`), 404, 'sandbox_not_found')
    assert.equal(await stateOf(children[0] ?? ''), 'running', 'a child outlives its parent')
    for (const child of children) await remove(`/v1/sandboxes/${child}`)
  })

  test('a paused parent is woken for it, also when only its host knows that it is paused', async () => {
    const parent = await create()
    await post(`/v1/sandboxes/${parent}/pause`)
    assert.equal((await fork(parent, 1)).length, 1)
    assert.equal(await stateOf(parent), 'running')
    const vm = hostOf(parent).vms.get(parent)
    assert.ok(vm)
    vm.state = 'paused'
    assert.equal((await fork(parent, 2)).length, 2)
    assert.equal(vm.state, 'running')
  })

  test('a fork that does not find its slots makes no child, and the quota is exact whoever races', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 6 })
    const parent = await create({}, { key })
    refused(await post(`/v1/sandboxes/${parent}/fork`, { count: 6 }, { key }), 429, 'concurrency_limit')
    assert.equal(await usedSlots(tenant), 1)
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => post(`/v1/sandboxes/${parent}/fork`, { count: 2 }, { key })),
    )
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 429, 429])
    assert.equal(await usedSlots(tenant), 5)
    assert.equal((await listed('/v1/sandboxes', { key })).length, 5)
  })

  test('a fork finds no room on a host that is full, though there are others', async () => {
    const region = regionOf()
    const parent = await create({ size: 'xl' })
    const host = hostOf(parent)
    const [reserved] = await region.sql<{ memory: string }>(
      'select reserved_memory_mib::text as memory from host where id = $1',
      [host.name],
    )
    const isKnown = async (): Promise<boolean> =>
      (await region.sql('select from host where id = $1 and offered_memory_mib = $2', [host.name, host.memoryMib]))
        .length === 1
    host.memoryMib = Number(reserved?.memory) + 32_768
    await until('the host to be known as nearly full', isKnown)
    try {
      refused(await post(`/v1/sandboxes/${parent}/fork`, { count: 2 }), 503, 'capacity_exhausted')
      assert.equal((await fork(parent, 1)).length, 1)
    } finally {
      host.memoryMib = 4_000_000
    }
    await until('the host to be known as empty again', isKnown)
  })

  test('a child that failed says why beside those that run, and gives its slot and its room back', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 6 })
    const parent = await create({}, { key })
    hostOf(parent).upsets.fork.push({ kind: 'fail_children', places: [1] })
    const answer = await post(`/v1/sandboxes/${parent}/fork`, { count: 3 }, { key })
    assert.deepEqual(
      records(answer).map((record) => at(record, 'state')),
      ['running', 'error', 'running'],
      answer.text,
    )
    assert.equal(at(records(answer)[1], 'metadata', 'last_error'), 'The child 1 does not answer.')
    assert.equal(await usedSlots(tenant), 3)
    hostOf(parent).upsets.fork.push({ kind: 'fail_children', places: [0] })
    refused(await post(`/v1/sandboxes/${parent}/fork`, {}, { key }), 502, 'guest_unreachable')
    assert.equal(await usedSlots(tenant), 3)
    assert.equal((await listed('/v1/sandboxes', { key })).length, 4, 'of a fork without a child nothing is left')
  })

  test('a host that refuses, fails or falls silent makes no child that anybody pays for', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 6 })
    const parent = await create({}, { key })
    for (const [upsets, status, code] of [
      [[{ kind: 'refuse', error: new AppError('capacity_exhausted', 'Full.') }], 503, 'capacity_exhausted'],
      [[{ kind: 'fail', error: new AppError('guest_unreachable', 'It is dead.') }], 502, 'guest_unreachable'],
      [[{ kind: 'cut_before' }, { kind: 'cut_after' }], 503, 'host_unavailable'],
    ] as const) {
      hostOf(parent).upsets.fork.push(...upsets)
      refused(await post(`/v1/sandboxes/${parent}/fork`, { count: 2 }, { key }), status, code)
      assert.equal(await usedSlots(tenant), 1)
      assert.deepEqual(await listed('/v1/sandboxes', { key }), [parent])
    }
    const host = hostOf(parent)
    const before = new Set(host.vms.keys())
    hostOf(parent).upsets.fork.push({ kind: 'cut_after' })
    const children = await fork(parent, 2, { key })
    assert.deepEqual(
      [...host.vms.keys()].filter((id) => !before.has(id)).sort(),
      children.sort(),
      'a lost answer is asked for again, and makes no others',
    )
    host.vms.delete(parent)
    refused(await post(`/v1/sandboxes/${parent}/fork`, {}, { key }), 502, 'sandbox_lost')
  })

  test('one key makes one set of children, whoever asks and whatever becomes of their parent', async () => {
    const region = regionOf()
    const { key } = await region.newKey({ concurrency: 20 })
    const parent = await create({}, { key })
    const headers = { 'idempotency-key': randomUUID() }
    const ask = () => post(`/v1/sandboxes/${parent}/fork`, { count: 2 }, { key, headers })
    const answers = await Promise.all([ask(), ask(), ask()])
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
    await remove(`/v1/sandboxes/${parent}`, { key })
    assert.equal((await ask()).text, answers[0]?.text)
    assert.equal((await listed('/v1/sandboxes', { key })).length, 2)
    refused(await post(`/v1/sandboxes/${parent}/fork`, { count: 3 }, { key, headers }), 422, 'idempotency_key_reused')
  })

  // As it stands when a controller was killed between any two steps: the reconciler finds out, and the same key is answered with that.
  test('children that lost their controller become what their host has made of them, and the key answers with them', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 20 })
    const parent = await create({}, { key })
    const headers = { 'idempotency-key': randomUUID() }
    const ask = () => post(`/v1/sandboxes/${parent}/fork`, { count: 3 }, { key, headers })
    const children = records(await ask()).map((record) => textAt(record, 'id'))
    await region.sql(
      `update sandbox set state = 'creating', ready_at = null, instance = $2, changed_at = now() - interval '1 minute' where id = any ($1)`,
      [children, DEAD],
    )
    await region.sql(`update idempotency set status = null, response = null, instance = $2 where key = $1`, [
      headers['idempotency-key'],
      DEAD,
    ])
    hostOf(parent).vms.delete(children[2] ?? '')
    const again = await ask()
    assert.equal(again.status, 201, again.text)
    assert.deepEqual(
      records(again).map((record) => [textAt(record, 'id'), textAt(record, 'state')]),
      children.sort().map((id, place) => [id, place === 2 ? 'error' : 'running']),
    )
    assert.equal(await usedSlots(tenant), 3)
  })

  test('the children of a key for one end user are that user’s, and count against the user’s bound', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const key = await keyOfUser(region, account.tenant, 'u1')
    const parent = await create({}, { key })
    await region.ask('/v1/quotas/external/u1', { method: 'PUT', key: account.key, body: { concurrency: 3 } })
    refused(await post(`/v1/sandboxes/${parent}/fork`, { count: 3 }, { key }), 429, 'concurrency_limit')
    const answer = await post(`/v1/sandboxes/${parent}/fork`, { count: 2 }, { key })
    assert.deepEqual(
      records(answer).map((record) => at(record, 'external_user_id')),
      ['u1', 'u1'],
    )
    refused(await post(`/v1/sandboxes/${parent}/fork`, { external_user_id: 'u2' }, { key }), 403, 'subject_not_allowed')
  })

  test('by the door of Podflare it is all children or none, and a merge retires the winner', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 20 })
    const made = await post('/podflare/v1/sandboxes', {}, { key })
    const parent = textAt(made.json, 'id')
    await remember(parent, 'red', { key })
    const forked = await post(`/podflare/v1/sandboxes/${parent}/fork`, { n: 3 }, { key })
    assert.equal(forked.status, 200, forked.text)
    const children = at(forked.json, 'children') as string[]
    assert.equal(children.length, 3)
    assert.equal(
      (at((await post(`/podflare/v1/sandboxes/${parent}/fork`, {}, { key })).json, 'children') as []).length,
      1,
    )
    for (const n of [0, 33, 'two']) {
      const wrong = await post(`/podflare/v1/sandboxes/${parent}/fork`, { n }, { key })
      assert.equal(wrong.status, 400, wrong.text)
    }
    hostOf(parent).upsets.fork.push({ kind: 'fail_children', places: [1] })
    const used = await usedSlots(tenant)
    const none = await post(`/podflare/v1/sandboxes/${parent}/fork`, { n: 3 }, { key })
    assert.ok(none.status >= 500 && textAt(none.json, 'error').includes('does not answer'), none.text)
    assert.equal(await usedSlots(tenant), used)

    const [winner = ''] = children
    await remember(winner, 'won', { key })
    const mergePath = (into: string, from: string) => `/podflare/v1/sandboxes/${into}/merge_into/${from}`
    const merged = await region.ask(mergePath(parent, winner), { method: 'POST', key })
    assert.deepEqual([merged.status, merged.text], [204, ''])
    assert.equal(await recall(parent, { key }), 'red won')
    for (const [into, from, status] of [
      [parent, winner, 404],
      [parent, parent, 400],
      [winner, parent, 404],
    ] as const) {
      const wrong = await region.ask(mergePath(into, from), { method: 'POST', key })
      assert.equal(wrong.status, status, wrong.text)
      assert.equal(typeof at(wrong.json, 'error'), 'string')
    }
  })
}
