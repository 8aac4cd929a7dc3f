/** Snapshots keep what a sandbox is, outlive it, and are gone on from: in place, in a new sandbox, or not at all when they are lost. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { AppError } from '../../../../shared/errors.ts'
import { newId } from '../../../../shared/ids.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { memoriesIn, refused } from '../support/memories.ts'
import { at, INTERNAL, type TestRegion, textAt, until } from '../support/region.ts'
import { keyOfUser } from '../support/user-key.ts'

const DEAD = 2_000_000

export function snapshotPromises(regionOf: () => TestRegion): void {
  const { post, made, create, remember, recall, keep, remove, listed, stateOf, snapshotState, usedSlots } =
    memoriesIn(regionOf)

  test('a snapshot is answered when it is kept, tells what it is, and its sandbox goes on', async () => {
    const region = regionOf()
    const id = await create({ size: 'xs' })
    const answer = await post(`/v1/sandboxes/${id}/snapshots`, { comment: 'cp1' })
    const snapshot = made(answer)
    assert.match(snapshot, /^snap_usw1_/)
    const { created_at, ...record } = at(answer.json, 'data') as Record<string, unknown>
    assert.ok(Date.parse(String(created_at)) > Date.now() - 60_000)
    assert.deepEqual(record, {
      id: snapshot,
      sandbox_id: id,
      status: 'ready',
      comment: 'cp1',
      region: 'usw1',
      tenant_id: textAt((await region.ask(`/v1/sandboxes/${id}`)).json, 'data', 'tenant_id'),
      external_user_id: null,
      template_id: 'default',
      size: 'xs',
      cpu_count: 1,
      memory_mb: 2_048,
      disk_size_mb: 10_240,
      size_bytes: 12_345,
      stopped_ms: 3,
      last_error: null,
    })
    assert.equal(await stateOf(id), 'running')
    const history = await region.ask(`/v1/sandboxes/${id}/history`)
    const types = (at(history.json, 'data') as unknown[]).map((row) => textAt(row, 'type'))
    assert.deepEqual(types.slice(-3), ['sandbox.snapshotting', 'sandbox.running', 'sandbox.snapshot.ready'])
    assert.deepEqual(at((await region.ask(`/v1/snapshots/${snapshot}`)).json, 'data'), at(answer.json, 'data'))
  })

  test('a paused sandbox is kept as it is, and stays paused', async () => {
    const id = await create()
    await remember(id, 'red')
    await post(`/v1/sandboxes/${id}/pause`)
    const snapshot = await keep(id)
    assert.equal(await stateOf(id), 'paused')
    const other = await create({ snapshot_id: snapshot })
    assert.equal(await recall(other), 'red')
  })

  test('a sandbox becomes what it was, whether it runs or is paused, under its own id', async () => {
    const id = await create()
    await remember(id, 'red')
    const snapshot = await keep(id)
    await remember(id, 'blue')
    const restored = await post(`/v1/sandboxes/${id}/restore/${snapshot}`)
    assert.deepEqual(
      [restored.status, textAt(restored.json, 'data', 'id'), textAt(restored.json, 'data', 'state')],
      [200, id, 'running'],
    )
    assert.equal(await recall(id), 'red')
    await remember(id, 'green')
    await post(`/v1/sandboxes/${id}/pause`)
    assert.equal((await post(`/v1/sandboxes/${id}/restore/${snapshot}`)).status, 200)
    assert.equal(await recall(id), 'red')
  })

  test('into a new sandbox it leaves the old one alone, in each of the ways to ask for it', async () => {
    const { key, tenant } = await regionOf().newKey({ concurrency: 20 })
    const id = await create({}, { key })
    await remember(id, 'red', { key })
    const snapshot = await keep(id, {}, { key })
    await remember(id, 'blue', { key })
    const ways: [path: string, body: object][] = [
      [`/v1/sandboxes/${id}/restore/${snapshot}`, { into: 'new' }],
      [`/v1/sandboxes/${id}/fork`, { snapshot_id: snapshot }],
      [`/v1/snapshots/${snapshot}/fork`, {}],
      // As a client in the field does: it always names its default template.
      ['/v1/sandboxes', { template_id: 'miosa-sandbox', snapshot_id: snapshot }],
    ]
    for (const [path, body] of ways) {
      const child = made(await post(path, body, { key }))
      assert.notEqual(child, id)
      assert.equal(await recall(child, { key }), 'red', path)
    }
    const ran = await post('/v1/sandboxes/run', { snapshot_id: snapshot, command: 'recall' }, { key })
    assert.equal(textAt(ran.json, 'exec', 'stdout'), 'red', ran.text)
    assert.equal(await recall(id, { key }), 'red blue')
    assert.equal(await usedSlots(tenant), 2 + ways.length)
  })

  test('it outlives its sandbox, and what was made of it outlives it', async () => {
    const id = await create()
    await remember(id, 'red')
    const snapshot = await keep(id, { comment: `after ${id}` })
    await remove(`/v1/sandboxes/${id}`)
    const child = made(await post(`/v1/snapshots/${snapshot}/fork`))
    assert.deepEqual(await listed(`/v1/snapshots?resource_id=${id}`), [snapshot])
    assert.deepEqual(await listed(`/v1/snapshots?q=after%20${id}`), [snapshot])
    assert.deepEqual(await listed('/v1/snapshots?q=%25'), [], 'what is searched for is text, and no pattern')
    assert.equal((await remove(`/v1/snapshots/${snapshot}`)).status, 204)
    assert.equal(await recall(child), 'red')
    assert.ok(!regionOf().host.snapshots.has(snapshot))
    assert.equal(await snapshotState(snapshot), undefined)
    refused(await remove(`/v1/snapshots/${snapshot}`), 404, 'snapshot_not_found')
    refused(await post('/v1/sandboxes', { snapshot_id: snapshot }), 404, 'snapshot_not_found')
  })

  test('lists come newest first and page by page', async () => {
    const { key } = await regionOf().newKey()
    const id = await create({}, { key })
    const kept: string[] = []
    for (let n = 0; n < 3; n++) kept.unshift(await keep(id, {}, { key }))
    assert.deepEqual(await listed(`/v1/sandboxes/${id}/snapshots`, { key }), kept)
    const first = await regionOf().ask('/v1/snapshots?limit=2', { key })
    assert.equal(textAt(first.json, 'next_cursor'), kept[1])
    assert.deepEqual(await listed(`/v1/snapshots?limit=2&cursor=${kept[1]}`, { key }), [kept[2]])
    refused(await regionOf().ask('/v1/snapshots?cursor=x', { key }), 422, 'invalid_request')
  })

  test('what is deleted, foreign, of another sandbox or of another region is not restored', async () => {
    const region = regionOf()
    const id = await create()
    const [gone, kept] = [await keep(id), await keep(await create())]
    assert.equal((await remove(`/v1/sandboxes/${id}/snapshots/${gone}`)).status, 204)
    const elsewhere = newId('snap', 'eu1', Date.now(), new Uint8Array(16))
    for (const snapshot of [gone, kept, elsewhere, 'snap_x', '..%2F..', id]) {
      refused(await post(`/v1/sandboxes/${id}/restore/${snapshot}`), 404, 'snapshot_not_found')
      refused(await post(`/v1/sandboxes/${id}/fork`, { snapshot_id: snapshot }), 404, 'snapshot_not_found')
      refused(await remove(`/v1/sandboxes/${id}/snapshots/${snapshot}`), 404, 'snapshot_not_found')
    }
    const { key } = await region.newKey()
    refused(await region.ask(`/v1/snapshots/${kept}`, { key }), 404, 'snapshot_not_found')
    refused(await post('/v1/sandboxes', { snapshot_id: kept }, { key }), 404, 'snapshot_not_found')
    assert.ok(region.host.snapshots.has(kept))
  })

  test('the key of an end user sees the snapshots of its own user, and what it makes of them is that user’s', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const [one, other] = [await keyOfUser(region, account.tenant, 'u1'), await keyOfUser(region, account.tenant, 'u2')]
    const id = await create({}, { key: one })
    const snapshot = await keep(id, {}, { key: one })
    assert.deepEqual(await listed('/v1/snapshots', { key: other }), [])
    refused(await region.ask(`/v1/snapshots/${snapshot}`, { key: other }), 404, 'snapshot_not_found')
    const child = await post(`/v1/snapshots/${snapshot}/fork`, {}, { key: account.key })
    assert.equal(textAt(child.json, 'data', 'external_user_id'), 'u1')
  })

  test('a sandbox goes on from a snapshot only as the machine that it was', async () => {
    const snapshot = await keep(await create({ size: 'xs' }))
    refused(await post('/v1/sandboxes', { snapshot_id: snapshot, size: 'small' }), 422, 'invalid_request')
    const child = await post('/v1/sandboxes', { snapshot_id: snapshot, size: 'xs', name: `n-${randomUUID()}` })
    assert.equal(textAt(child.json, 'data', 'size'), 'xs', child.text)
    refused(await post(`/v1/snapshots/${snapshot}/fork`, { template_id: 'python-datasci' }), 422, 'invalid_request')
  })

  test('one key makes one snapshot and one restore; with another sandbox or another body it is refused', async () => {
    const region = regionOf()
    const id = await create()
    const headers = { 'idempotency-key': randomUUID() }
    const [first, second] = await Promise.all([
      post(`/v1/sandboxes/${id}/snapshots`, {}, { headers }),
      post(`/v1/sandboxes/${id}/snapshots`, {}, { headers }),
    ])
    assert.equal(first.text, second.text)
    assert.deepEqual(await listed(`/v1/sandboxes/${id}/snapshots`), [made(first)])
    refused(await post(`/v1/sandboxes/${id}/snapshots`, { comment: 'x' }, { headers }), 422, 'idempotency_key_reused')
    refused(await post(`/v1/sandboxes/${await create()}/snapshots`, {}, { headers }), 422, 'idempotency_key_reused')
    const path = `/v1/sandboxes/${id}/restore/${made(first)}`
    assert.equal((await post(path, {}, { headers })).status, 200)
    await remember(id, 'red')
    const again = await post(path, {}, { headers })
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [200, 'true'])
    assert.equal(await recall(id), 'red', 'it was not restored again')
    assert.equal(region.host.asked.filter((one) => one === `restore ${id}`).length, 1)
  })

  // Its agent may be dead, its disk full, its machine gone.
  test('a host that cannot keep it leaves nothing behind, and the sandbox runs on', async () => {
    const { host } = regionOf()
    const id = await create()
    for (const [upset, status, code] of [
      [{ kind: 'fail', error: new AppError('guest_unreachable', 'Its agent is dead.') }, 502, 'guest_unreachable'],
      [{ kind: 'refuse', error: new AppError('host_disk_exhausted', 'The disk is full.') }, 503, 'host_disk_exhausted'],
    ] as const) {
      host.upsets.snapshots.push(upset)
      refused(await post(`/v1/sandboxes/${id}/snapshots`), status, code)
      assert.equal(await stateOf(id), 'running')
      assert.deepEqual(await listed(`/v1/sandboxes/${id}/snapshots`), [])
    }
    host.upsets.snapshots.push({ kind: 'cut_after' })
    const snapshot = await keep(id)
    assert.ok(host.snapshots.has(snapshot), 'a lost answer is asked for again')
    const machine = host.vms.get(id)
    host.vms.delete(id)
    refused(await post(`/v1/sandboxes/${id}/snapshots`), 502, 'sandbox_lost')
    assert.equal(await stateOf(id), 'error')
    assert.ok(machine)
  })

  test('a restore that fails leaves the sandbox what it is, running or paused', async () => {
    const { host } = regionOf()
    const id = await create()
    const snapshot = await keep(id)
    await remember(id, 'red')
    for (const state of ['running', 'paused']) {
      if (state === 'paused') await post(`/v1/sandboxes/${id}/pause`)
      host.upsets.restore.push({ kind: 'fail', error: new AppError('snapshot_not_found', 'It is not here.') })
      refused(await post(`/v1/sandboxes/${id}/restore/${snapshot}`), 404, 'snapshot_not_found')
      assert.equal(await stateOf(id), state)
    }
    assert.equal(await recall(id), 'red')
  })

  // Whoever waits for a command of a memory that is gone must hear so, and must not take the sandbox with it.
  test('a restore ends the commands that run, and nothing else: neither the sandbox nor one that was made with a command', async () => {
    const id = await create()
    const snapshot = await keep(id)
    const running = post(`/v1/sandboxes/${id}/exec`, { command: 'sleep 20' })
    const name = `n-${randomUUID()}`
    const first = post('/v1/sandboxes/run', { name, command: 'sleep 20' })
    await until('it to run', async () => (await regionOf().ask(`/v1/sandboxes/${name}`)).status === 200)
    const other = textAt((await regionOf().ask(`/v1/sandboxes/${name}`)).json, 'data', 'id')
    await until('its command to run', () => regionOf().host.commands.some((line) => line.startsWith(`${other}:`)))
    await until('it to be running', async () => (await stateOf(other)) === 'running')
    const kept = await keep(other)
    assert.equal((await post(`/v1/sandboxes/${id}/restore/${snapshot}`)).status, 200)
    assert.equal((await post(`/v1/sandboxes/${other}/restore/${kept}`)).status, 200)
    refused(await running, 409, 'sandbox_replaced')
    refused(await first, 409, 'sandbox_replaced')
    for (const one of [id, other]) assert.equal(await stateOf(one), 'running')
  })

  test('commands run while a snapshot is taken, and a pause waits for nobody', async () => {
    const { host } = regionOf()
    const id = await create()
    const gate = Promise.withResolvers<void>()
    host.upsets.snapshots.push({ kind: 'hang_before', until: gate.promise })
    const taking = post(`/v1/sandboxes/${id}/snapshots`)
    await until('it to be snapshotting', async () => (await stateOf(id)) === 'snapshotting')
    await remember(id, 'meanwhile')
    assert.equal((await post(`/v1/sandboxes/${id}/pause`)).status, 200)
    gate.resolve()
    made(await taking)
    assert.equal(await stateOf(id), 'paused')
  })

  test('20 snapshots of one sandbox at once are 20 snapshots, and it runs on', async () => {
    const id = await create()
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(`/v1/sandboxes/${id}/snapshots`)))
    const kept = answers.filter(({ status }) => status === 201)
    for (const answer of answers) if (answer.status !== 201) refused(answer, 409, 'state_conflict')
    assert.ok(kept.length >= 5, `only ${kept.length}`)
    assert.equal((await listed(`/v1/sandboxes/${id}/snapshots`)).length, kept.length)
    assert.equal(await stateOf(id), 'running')
  })

  test('a sandbox has a bounded number of snapshots, exactly, whoever races', async () => {
    const region = regionOf()
    const id = await create()
    const first = await keep(id)
    await region.sql(
      `insert into snapshot select (jsonb_populate_record(s, jsonb_build_object('id', 'filling ' || n))).*
       from snapshot s, generate_series(1, $2) n where s.id = $1`,
      [first, LIMITS.snapshotsPerSandboxMax - 2],
    )
    await post(`/v1/sandboxes/${id}/pause`)
    const answers = await Promise.all([1, 2, 3].map(() => post(`/v1/sandboxes/${id}/snapshots`)))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409])
    await region.sql(`delete from snapshot where id like 'filling %'`)
  })

  test('what a host keeps and what the rows say are made to agree', async () => {
    const region = regionOf()
    const { host } = region
    const id = await create()
    const [lost, orphan, undone, deleted] = [await keep(id), await keep(id), await keep(id), await keep(id)]
    const stray = newId('snap', 'usw1', Date.now(), new Uint8Array(16))
    const kept = host.snapshots.get(lost)
    assert.ok(kept)
    host.snapshots.set(stray, { ...kept, id: stray })
    host.snapshots.set('standby-of-the-host', { ...kept, id: 'standby-of-the-host' })
    for (const gone of [lost, undone]) host.snapshots.delete(gone)
    // As they stand when a controller was killed while it took them, and while it deleted one.
    await region.sql(
      `update snapshot set state = 'creating', bytes = null, instance = $2, changed_at = now() - interval '1 minute' where id = any ($1)`,
      [[orphan, undone], DEAD],
    )
    await region.sql(
      `update sandbox set state = 'snapshotting', instance = $2, changed_at = now() - interval '1 minute' where id = $1`,
      [id, DEAD],
    )
    host.upsets.forget.push({ kind: 'cut_before' })
    assert.equal((await remove(`/v1/snapshots/${deleted}`)).status, 204)
    assert.deepEqual(await listed(`/v1/snapshots?q=${deleted}`), [])
    await until('the stray to go', () => !host.snapshots.has(stray))
    await until('the lost one to say so', async () => (await snapshotState(lost)) === 'failed')
    await until('the orphan to be kept', async () => (await snapshotState(orphan)) === 'ready')
    await until('the one that never was to go', async () => (await snapshotState(undone)) === undefined)
    await until('the deleted one to be forgotten', async () => !host.snapshots.has(deleted))
    await until('the sandbox to go on', async () => (await stateOf(id)) === 'running')
    assert.ok(host.snapshots.has('standby-of-the-host'), 'what a host keeps for itself is its own')
    refused(await post(`/v1/sandboxes/${id}/restore/${lost}`), 410, 'snapshot_lost')
    const metrics = await fetch(`${region.url}/metrics`, { headers: { authorization: `Bearer ${INTERNAL}` } })
    const text = await metrics.text()
    for (const kind of [
      'snapshot_stray',
      'snapshot_lost',
      'snapshot_finish',
      'snapshot_undo',
      'snapshot_forget',
      'go_on',
    ])
      assert.match(text, new RegExp(`atoll_mends_total\\{kind="${kind}"\\} [1-9]`))
    host.snapshots.set(lost, kept)
    await until('the lost one to be found again', async () => (await snapshotState(lost)) === 'ready')
  })

  test('what was on a host that is lost or removed says so, and is not restored', async () => {
    const region = regionOf()
    const [lost, deleted] = [await keep(await create()), await keep(await create())]
    await region.sql(
      `insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen, removed_at)
       values ('gone', false, false, 1, 1, 1, 1, now(), now())`,
    )
    await region.sql(
      `update snapshot set host = 'gone', state = case id when $2 then 'deleting' else state end where id = any ($1)`,
      [[lost, deleted], deleted],
    )
    await until('the one to say so', async () => (await snapshotState(lost)) === 'failed')
    await until('the other to be forgotten', async () => (await snapshotState(deleted)) === undefined)
    const answer = await region.ask(`/v1/snapshots/${lost}`)
    assert.deepEqual(
      [textAt(answer.json, 'data', 'status'), textAt(answer.json, 'data', 'last_error')],
      ['failed', 'The host of this snapshot was removed.'],
    )
    refused(await post(`/v1/snapshots/${lost}/fork`), 410, 'snapshot_lost')
  })
}
