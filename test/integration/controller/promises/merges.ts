/** A sandbox goes on with the machine of another one, whose id ends with it: once, and whatever happens in between. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { AppError } from '../../../../shared/errors.ts'
import { auditRegion } from '../support/audit-region.ts'
import { memoriesIn, refused } from '../support/memories.ts'
import { type Ask, at, type TestRegion, textAt, until } from '../support/region.ts'

const DEAD = 2_000_000

export function mergePromises(regionOf: () => TestRegion): void {
  const { post, create, remember, recall, fork, listed, stateOf, usedSlots } = memoriesIn(regionOf)
  const merge = (parent: string, winner: string, more: Ask = {}) =>
    post(`/v1/sandboxes/${parent}/merge`, { winner }, more)
  const family = async (more: Ask = {}): Promise<[parent: string, winner: string, sibling: string]> => {
    const parent = await create({ size: 'xs' }, more)
    await remember(parent, 'red', more)
    const [winner = '', sibling = ''] = await fork(parent, 2, more)
    await remember(winner, 'won', more)
    return [parent, winner, sibling]
  }

  test('the parent’s id has the winner’s machine, the winner is nobody’s any more, and its siblings are untouched', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 20 })
    const [parent, winner, sibling] = await family({ key })
    const merged = await merge(parent, winner, { key })
    assert.deepEqual([merged.status, textAt(merged.json, 'data', 'id')], [200, parent], merged.text)
    assert.equal(await recall(parent, { key }), 'red won')
    assert.equal(await recall(sibling, { key }), 'red')
    refused(await region.ask(`/v1/sandboxes/${winner}`, { key }), 404, 'sandbox_not_found')
    refused(await merge(parent, winner, { key }), 404, 'sandbox_not_found')
    assert.ok(!region.host.vms.has(winner))
    assert.equal(await usedSlots(tenant), 2)
    const history = await region.ask(`/v1/sandboxes/${parent}/history`, { key })
    const last = (at(history.json, 'data') as unknown[]).at(-1)
    assert.deepEqual([at(last, 'type'), at(last, 'winner_id')], ['sandbox.merged', winner])
    const vm = region.host.vms.get(parent)
    const [row] = await region.sql<{ expires: Date }>('select expires_at as expires from sandbox where id = $1', [
      parent,
    ])
    assert.equal(vm?.expires_at_ms, row?.expires.getTime(), 'it ends when its own row says')
  })

  test('a paused parent runs afterwards, with the slot that the winner had; a paused winner is woken', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 3 })
    const [parent, winner, sibling] = await family({ key })
    await post(`/v1/sandboxes/${parent}/pause`, {}, { key })
    await create({}, { key })
    assert.equal(await usedSlots(tenant), 3)
    assert.equal((await merge(parent, winner, { key })).status, 200)
    assert.equal(await stateOf(parent), 'running')
    assert.equal(await usedSlots(tenant), 3)
    await remember(sibling, 'late', { key })
    await post(`/v1/sandboxes/${sibling}/pause`, {}, { key })
    assert.equal((await merge(parent, sibling, { key })).status, 200)
    assert.equal(await recall(parent, { key }), 'red late')
  })

  test('not into itself, not of another tenant, not of another kind, and not what has ended', async () => {
    const region = regionOf()
    const [parent, winner] = await family()
    refused(await merge(parent, parent), 422, 'invalid_request')
    refused(await merge(parent, await create({ size: 'small' })), 409, 'merge_not_possible')
    refused(await merge(parent, await create({ size: 'xs', template_id: 'python-datasci' })), 409, 'merge_not_possible')
    const { key } = await region.newKey()
    refused(await merge(await create({ size: 'xs' }, { key }), winner, { key }), 404, 'sandbox_not_found')
    refused(await merge(parent, 'sbx_x'), 404, 'sandbox_not_found')
    await region.ask(`/v1/sandboxes/${winner}`, { method: 'DELETE' })
    refused(await merge(parent, winner), 404, 'sandbox_not_found')
  })

  test('a host that says no changes nothing, and one whose answer is lost is asked again', async () => {
    const region = regionOf()
    const [parent, winner] = await family()
    region.host.upsets.merge.push({ kind: 'fail', error: new AppError('guest_unreachable', 'It is dead.') })
    refused(await merge(parent, winner), 502, 'guest_unreachable')
    assert.equal(await recall(parent), 'red')
    assert.equal(await recall(winner), 'red won')
    region.host.upsets.merge.push({ kind: 'cut_after' })
    assert.equal((await merge(parent, winner)).status, 200)
    assert.equal(await recall(parent), 'red won')
  })

  test('of two merges of one winner, and of two sandboxes into each other, one is carried out', async () => {
    const region = regionOf()
    const [one, winner, other] = await family()
    const answers = await Promise.all([merge(one, winner), merge(other, winner)])
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, answers.map(({ text }) => text).join())
    const [first, second] = await Promise.all([merge(one, other), merge(other, one)])
    assert.equal([first, second].filter(({ status }) => status === 200).length, 1, `${first.text} ${second.text}`)
    await until('the rows to agree with the host', async () => {
      const living = (await listed('/v1/sandboxes')).filter((id) => [one, other, winner].includes(id))
      return living.length === 1 && region.host.vms.has(living[0] ?? '')
    })
    assert.deepEqual(await auditRegion(region.sql), [])
  })

  test('one key merges once', async () => {
    const region = regionOf()
    const [parent, winner] = await family()
    const headers = { 'idempotency-key': randomUUID() }
    const answers = await Promise.all([1, 2, 3].map(() => merge(parent, winner, { headers })))
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
    assert.equal((await merge(parent, winner, { headers })).headers.get('idempotent-replayed'), 'true')
    assert.equal(region.host.asked.filter((one) => one === `merge ${parent}`).length, 1)
  })

  test('one whose outcome nobody knows is told by its key, once the reconciler has found out', async () => {
    const region = regionOf()
    const [parent, winner] = await family()
    const headers = { 'idempotency-key': randomUUID() }
    region.host.upsets.merge.push({ kind: 'cut_before' }, { kind: 'cut_after' })
    refused(await merge(parent, winner, { headers }), 504, 'outcome_unknown')
    await until('it to be finished', async () => (await stateOf(winner)) === 'destroyed')
    const again = await merge(parent, winner, { headers })
    assert.deepEqual([again.status, textAt(again.json, 'data', 'id')], [200, parent], again.text)
    assert.equal(await recall(parent), 'red won')
  })

  // As it stands when a controller was killed after the host had said yes, and before.
  test('what a crash leaves of a merge is finished when the machine has gone, and taken back when it has not', async () => {
    const region = regionOf()
    const [done, gone] = await family()
    const [kept, stays] = await family()
    const machine = region.host.vms.get(gone)
    assert.ok(machine)
    region.host.vms.set(done, { ...machine, id: done })
    region.host.memories.set(done, ['red', 'won'])
    region.host.vms.delete(gone)
    await region.sql(
      `update sandbox set merge_into = case id when $1 then $2 else $4 end, instance = $5, changed_at = now() - interval '1 minute'
       where id in ($1, $3)`,
      [gone, done, stays, kept, DEAD],
    )
    await until('the one to be finished', async () => (await stateOf(gone)) === 'destroyed')
    assert.equal(await recall(done), 'red won')
    await until('the other to be taken back', async () => {
      const rows = await region.sql('select from sandbox where id = $1 and merge_into is null', [stays])
      return rows.length === 1
    })
    assert.equal(await recall(stays), 'red won')
    assert.equal((await merge(kept, stays)).status, 200)
    assert.deepEqual(await auditRegion(region.sql), [])
  })

  test('a winner whose machine died in the middle of it is an error, and not merged', async () => {
    const region = regionOf()
    const [parent, winner] = await family()
    region.host.vms.delete(winner)
    region.host.lost.push({ id: winner, reason: 'QEMU was killed.', cause: 'died', at_ms: Date.now() })
    await region.sql(
      `update sandbox set merge_into = $2, instance = $3, changed_at = now() - interval '1 minute' where id = $1`,
      [winner, parent, DEAD],
    )
    await until('it to be an error', async () => (await stateOf(winner)) === 'error')
    assert.equal(await recall(parent), 'red')
  })
}
