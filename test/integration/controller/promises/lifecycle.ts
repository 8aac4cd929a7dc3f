/** What may be said of a sandbox when it is made, and changed of it afterwards. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readinessAnswer, sandboxRecord } from '../../../../shared/contracts/sandbox-records.ts'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type Answer, at, type TestRegion, textAt, until } from '../support/region.ts'
import { keyOfUser } from '../support/user-key.ts'

export function lifecyclePromises(regionOf: () => TestRegion): void {
  const post = (path: string, body: object = {}, key = regionOf().key, headers: Record<string, string> = {}) =>
    regionOf().ask(path, { method: 'POST', body, key, headers })
  const patch = (path: string, body: object, key = regionOf().key) =>
    regionOf().ask(path, { method: 'PATCH', body, key })
  const code = ({ json }: Answer): string => textAt(json, 'error', 'code')
  const recordOf = (answer: Answer) => sandboxRecord.parse(at(answer.json, 'data'))
  const create = async (body: object = {}, key = regionOf().key) => {
    const answer = await post('/v1/sandboxes', body, key)
    assert.equal(answer.status, 201, answer.text)
    return recordOf(answer)
  }
  const vmOf = (id: string) => {
    const vm = regionOf().host.vms.get(id)
    assert.ok(vm)
    return vm
  }
  const get = async (id: string) => recordOf(await regionOf().ask(`/v1/sandboxes/${id}`))
  /** A host that is told to go on when the test says so. */
  const heldCreate = (): { release: () => void } => {
    const gate = Promise.withResolvers<void>()
    regionOf().host.mishaps.push({ kind: 'hang', until: gate.promise })
    return { release: gate.resolve }
  }

  test('a create keeps every field that means something, and the record has all of the contract', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    await region.sql(`insert into workspace (id, tenant, slug, name) values ($1, $2, 'team', 'The Team')`, [
      `ws_${tenant}`,
      tenant,
    ])
    const made = await create({ slug: 'quiet-owl', workspace_slug: 'team', skip_agent_runtime_profile: true }, key)
    assert.deepEqual(
      [made.slug, made.workspace_id, made.workspace_slug, made.workspace_name],
      ['quiet-owl', `ws_${tenant}`, 'team', 'The Team'],
    )
    assert.equal(made.resource_contract.id, 'sandbox/small@v1')
    const plain = await create({}, key)
    assert.deepEqual([plain.slug, plain.workspace_id], [plain.id.replaceAll('_', '-'), null])
    for (const named of [{ workspace_id: 'ws_other' }, { workspace_name: 'the team' }]) {
      const refused = await post('/v1/sandboxes', named, key)
      assert.deepEqual([refused.status, code(refused)], [422, 'workspace_not_found'])
    }
    const foreign = await post('/v1/sandboxes', { workspace_id: `ws_${tenant}` })
    assert.equal(code(foreign), 'workspace_not_found', 'a workspace of another tenant is none')
  })

  // A sandbox that is not what was asked for is worse than none.
  test('what cannot be honoured is refused by name, and what is empty asks for nothing', async () => {
    const refused = await post('/v1/sandboxes', { volumes: [{ volume_id: 'v' }], services: [], entrypoint: 'x' })
    assert.deepEqual([refused.status, code(refused)], [422, 'not_supported'])
    assert.deepEqual(at(refused.json, 'error', 'details'), { fields: ['volumes', 'entrypoint'] })
    await create({ volumes: [], services: [], database: {}, entrypoint: '' })
  })

  test('a create that is not waited for answers at once, and its sandbox runs soon after', async () => {
    const region = regionOf()
    const held = heldCreate()
    const key = randomUUID()
    const answer = await post('/v1/sandboxes', { wait: false }, region.key, { 'idempotency-key': key })
    const made = recordOf(answer)
    assert.deepEqual([answer.status, made.state, made.ready], [201, 'creating', false])
    held.release()
    await until('it to run', async () => (await get(made.id)).state === 'running')
    const again = await post('/v1/sandboxes', { wait: false }, region.key, { 'idempotency-key': key })
    assert.deepEqual([again.headers.get('idempotent-replayed'), again.text], ['true', answer.text])
  })

  test('a create is waited for as long as asked, and no longer', async () => {
    const held = heldCreate()
    const before = Date.now()
    const made = await create({ wait_timeout_ms: 200 })
    assert.ok(Date.now() - before >= 200)
    assert.equal(made.state, 'creating')
    held.release()
    await until('it to run', async () => (await get(made.id)).state === 'running')
    assert.equal((await create({ wait_timeout_ms: 60_000 })).state, 'running')
  })

  test('a create that nobody waited for and that no host took is there to be read, failed, with the reason', async () => {
    const region = regionOf()
    const { id } = await create({ wait: false }).then(async (made) => {
      await until('it to run', async () => (await get(made.id)).state === 'running')
      region.host.mishaps.push({ kind: 'refuse', error: new AppError('capacity_exhausted', 'Full after all.') })
      region.host.slowMs = 100
      return create({ wait: false })
    })
    region.host.slowMs = 0
    await until('it to fail', async () => (await get(id)).state === 'error')
    assert.equal(at((await get(id)).metadata, 'last_error'), 'Full after all.')
  })

  test('a process that ends waits for the creates that nobody waits for', async () => {
    const region = regionOf()
    const held = heldCreate()
    const made = await create({ wait: false })
    const restarting = region.restart()
    await sleep(200)
    held.release()
    await restarting
    assert.equal((await get(made.id)).state, 'running')
  })

  test('what is called by a name is found by it, and an id is no name', async () => {
    const region = regionOf()
    const made = await create({ name: 'by its name' })
    const found = await region.ask(`/v1/sandboxes/by-name/${encodeURIComponent('by its name')}`)
    assert.equal(recordOf(found).id, made.id)
    for (const name of [made.id, 'nobody', '%00'])
      assert.equal((await region.ask(`/v1/sandboxes/by-name/${name}`)).status, 404)
  })

  test('labels are changed as asked and metadata is merged, a null taking its key away', async () => {
    const made = await create({ name: 'old', metadata: { keep: { a: null }, drop: 1, change: 1 }, tags: ['a'] })
    const path = `/v1/sandboxes/${made.id}`
    const body = { name: 'new', slug: 'new', metadata: { drop: null, change: 2, more: [1] } }
    const changed = recordOf(await patch(path, body))
    assert.deepEqual(changed.metadata, { keep: { a: null }, change: 2, more: [1] })
    assert.deepEqual([changed.name, changed.slug, changed.tags], ['new', 'new', ['a']])
    assert.deepEqual(recordOf(await patch(`${path}/tags`, { tags: ['b', 'c'] })).tags, ['b', 'c'])
    assert.deepEqual(recordOf(await patch(path, {})).metadata, changed.metadata)
    const taken = await create({ name: 'taken' })
    assert.equal(code(await patch(path, { name: 'taken' })), 'name_taken')
    assert.equal((await get(taken.id)).name, 'taken')
  })

  // Ten keys of 2 KiB each are fine one by one.
  test('metadata that grows by many changes stays below its size, whatever races', async () => {
    const made = await create()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        patch(`/v1/sandboxes/${made.id}`, { metadata: { [`k${n}`]: 'x'.repeat(2_000) } }),
      ),
    )
    const { metadata } = await get(made.id)
    assert.ok(JSON.stringify(metadata).length <= LIMITS.metadataBytesMax)
    const done = answers.filter(({ status }) => status === 200).length
    assert.equal(Object.keys(metadata).length, done, 'whoever was told 200 is in it, and nobody else')
    for (const answer of answers.filter(({ status }) => status !== 200))
      assert.ok(['invalid_request', 'state_conflict'].includes(code(answer)), answer.text)
  })

  test('new timeouts reach the host before they are acknowledged, and the tier bounds them', async () => {
    const region = regionOf()
    const made = await create()
    const path = `/v1/sandboxes/${made.id}`
    const before = Date.now()
    const changed = recordOf(await patch(path, { timeout_sec: 900, idle_timeout_sec: 60 }))
    assert.deepEqual([changed.timeout_sec, changed.idle_timeout_sec], [900, 60])
    const { expires_at_ms, idle_timeout_sec } = vmOf(made.id)
    assert.ok(expires_at_ms !== null && expires_at_ms >= before + 900_000)
    assert.equal(idle_timeout_sec, 60)
    assert.equal(recordOf(await patch(path, { always_on: true })).timeout_remaining_ms, null)
    assert.deepEqual([vmOf(made.id).expires_at_ms, vmOf(made.id).idle_timeout_sec], [null, 0])
    const { key } = await region.newKey({ tier: 'free' })
    const small = await create({}, key)
    for (const body of [{ timeout_sec: 3_601 }, { always_on: true }])
      assert.equal(code(await patch(`/v1/sandboxes/${small.id}`, body, key)), 'size_not_allowed')
    assert.equal(code(await post(`/v1/sandboxes/${small.id}/extend`, { timeout_sec: 3_601 }, key)), 'size_not_allowed')
  })

  // A command in a sandbox with three seconds would never run where the machine takes ten to boot.
  test('the time of a sandbox begins when its host says that it is ready', async (t) => {
    const { host } = regionOf()
    t.after(() => {
      host.startMs = 0
    })
    host.startMs = 60_000
    const { id, timeout_remaining_ms } = await create({ timeout_sec: 3 })
    assert.ok((timeout_remaining_ms ?? 0) > 60_000, `${timeout_remaining_ms}`)
    const [row] = await regionOf().sql<{ expires_at: Date }>('select expires_at from sandbox where id = $1', [id])
    assert.equal(row?.expires_at.getTime(), vmOf(id).expires_at_ms)
  })

  test('an extension counts from now, never shortens, and is refused where there is no end', async () => {
    const made = await create({ timeout_sec: 300 })
    const path = `/v1/sandboxes/${made.id}`
    const longer = recordOf(await post(`${path}/extend`, { timeout_sec: 900 }))
    assert.ok((longer.timeout_remaining_ms ?? 0) > 890_000)
    assert.equal(longer.timeout_sec, 300, 'the policy for the next time stays')
    const end = vmOf(made.id).expires_at_ms
    await post(`${path}/extend`)
    assert.equal(vmOf(made.id).expires_at_ms, end)
    await post(`${path}/pause`)
    const refused = await post(`${path}/extend`)
    assert.deepEqual([refused.status, code(refused)], [409, 'sandbox_not_running'])
    assert.equal(recordOf(await patch(path, { timeout_sec: 1_000 })).timeout_remaining_ms, null)
    const resumed = recordOf(await post(`${path}/resume`))
    assert.ok(
      (resumed.timeout_remaining_ms ?? 0) > 990_000,
      'what was set while it was paused counts when it is resumed',
    )
  })

  // As when the controller was killed between the row and the call to the host.
  test('a host that was not told of a new end is told by the reconciler', async () => {
    const region = regionOf()
    const made = await create({ timeout_sec: 5 })
    await region.sql(`update sandbox set expires_at = expires_at + interval '1 hour' where id = $1`, [made.id])
    const [row] = await region.sql<{ expires_at: Date }>('select expires_at from sandbox where id = $1', [made.id])
    await until('the host to know', () => vmOf(made.id).expires_at_ms === row?.expires_at.getTime())
  })

  test('readiness says whether it runs; its stream ends at once for one that does, and with the moment for one that comes to', async () => {
    const region = regionOf()
    const running = await create()
    const now = await region.ask(`/v1/sandboxes/${running.id}/readiness`)
    assert.deepEqual(readinessAnswer.parse(at(now.json, 'data')), { ready: true, status: 'ready' })
    assert.match(await (await streamOf(running.id)).text(), /^event: ready\ndata: \{"type":"ready","ready_at":"/)
    const held = heldCreate()
    const coming = await create({ wait: false })
    const waiting = [await streamOf(coming.id), await streamOf(coming.id)]
    const later = await region.ask(`/v1/sandboxes/${coming.id}/readiness`)
    assert.deepEqual(at(later.json, 'data'), { ready: false, status: 'creating' })
    held.release()
    for (const stream of waiting) assert.match(await stream.text(), /^event: ready\n/)
    const failing = heldCreate()
    const gone = await create({ wait: false })
    const ended = await streamOf(gone.id)
    await region.ask(`/v1/sandboxes/${gone.id}`, { method: 'DELETE' })
    assert.match(await ended.text(), /^event: timeout\ndata: \{"type":"timeout","reason":"sandbox_destroyed"\}/)
    failing.release()
    assert.equal((await region.ask(`/v1/sandboxes/${gone.id}/readiness/stream`)).status, 404)
  })

  /** Once it stands. */
  async function streamOf(id: string): Promise<Response> {
    const region = regionOf()
    const headers = { authorization: `Bearer ${region.key}` }
    const response = await fetch(`${region.url}/v1/sandboxes/${id}/readiness/stream`, { headers })
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
    return response
  }

  test('a key of one user makes, sees and changes what is theirs, and nothing else there is', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const [one, two] = [await keyOfUser(region, tenant, 'u1'), await keyOfUser(region, tenant, 'u2')]
    const mine = await create({ name: 'mine' }, one)
    assert.equal(mine.external_user_id, 'u1')
    const refused = await post('/v1/sandboxes', { external_user_id: 'u2' }, one)
    assert.deepEqual([refused.status, code(refused)], [403, 'subject_not_allowed'])
    for (const reference of [mine.id, 'mine', 'by-name/mine'])
      assert.equal((await region.ask(`/v1/sandboxes/${reference}`, { key: two })).status, 404)
    for (const [method, suffix, body] of [
      ['PATCH', '', { tags: ['x'] }],
      ['PATCH', '/tags', { tags: ['x'] }],
      ['POST', '/extend', {}],
      ['POST', '/pause', {}],
      ['POST', '/exec', { command: 'echo 1' }],
      ['DELETE', '', undefined],
      ['GET', '/readiness', undefined],
      ['GET', '/readiness/stream', undefined],
    ] as const)
      assert.equal((await region.ask(`/v1/sandboxes/${mine.id}${suffix}`, { method, key: two, body })).status, 404)
    const listed = async (by: string) => at((await region.ask('/v1/sandboxes', { key: by })).json, 'data', 'length')
    assert.deepEqual([await listed(one), await listed(two), await listed(key)], [1, 0, 1])
  })

  test('the idempotency keys of two users of a tenant never meet', async () => {
    const region = regionOf()
    const { tenant } = await region.newKey()
    const [one, two] = [await keyOfUser(region, tenant, 'u1'), await keyOfUser(region, tenant, 'u2')]
    const headers = { 'idempotency-key': randomUUID() }
    const [first, second] = [
      await post('/v1/sandboxes', {}, one, headers),
      await post('/v1/sandboxes', {}, two, headers),
    ]
    assert.deepEqual([second.status, second.headers.get('idempotent-replayed')], [201, null])
    assert.notEqual(recordOf(first).id, recordOf(second).id)
  })

  test('the time that a sandbox ran is summed over its pauses, and stands still while it is paused', async () => {
    const made = await create()
    const path = `/v1/sandboxes/${made.id}`
    await regionOf().sql(`update sandbox set started_at = started_at - interval '10 seconds' where id = $1`, [made.id])
    assert.ok((await get(made.id)).total_runtime_sec >= 10)
    await post(`${path}/pause`)
    const paused = (await get(made.id)).total_runtime_sec
    assert.ok(paused >= 10 && paused < 70)
    await post(`${path}/resume`)
    await regionOf().sql(`update sandbox set started_at = started_at - interval '5 seconds' where id = $1`, [made.id])
    assert.ok((await get(made.id)).total_runtime_sec >= paused + 5)
  })
}
