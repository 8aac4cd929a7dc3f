/** A space is a named workspace that outlives its machines: in one sandbox or in none, and never without what was done in it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { settleSpaces } from '../../../../origin/controller/spaces/settle-spaces.ts'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { memoriesIn, refused } from '../support/memories.ts'
import { type Answer, type Ask, at, type TestRegion, textAt, until } from '../support/region.ts'
import { keyOfUser } from '../support/user-key.ts'

const DEAD = 2_000_000

export function spacePromises(regionOf: () => TestRegion): void {
  const { post, made, create, remember, recall, remove, listed, stateOf, usedSlots } = memoriesIn(regionOf)
  const newName = () => `s-${randomUUID()}`
  const put = (name: string, body: object = {}, more: Ask = {}): Promise<Answer> =>
    regionOf().ask(`/v1/spaces/${name}`, { method: 'PUT', body, ...more })
  const get = (name: string, more: Ask = {}) => regionOf().ask(`/v1/spaces/${name}`, more)
  const open = async (name: string, more: Ask = {}): Promise<string> =>
    made(await post(`/v1/spaces/${name}/open`, {}, more), 200)
  const freeze = (name: string, more: Ask = {}) => post(`/v1/spaces/${name}/freeze`, {}, more)
  const spaceOf = async (name: string, field: string): Promise<unknown> => at((await get(name)).json, 'data', field)
  /** As it stands when nobody has used the sandbox for long: its host has paused it. */
  const letRest = async (id: string): Promise<void> => {
    await post(`/v1/sandboxes/${id}/pause`)
    await regionOf().sql("update sandbox set changed_at = now() - $2 * interval '1 ms' where id = $1", [
      id,
      LIMITS.spacePausedMs + 1_000,
    ])
  }

  test('it is made by its name, once, and nothing runs for it before it is opened', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const name = newName()
    const first = await put(name, { size: 'xs', idle_timeout_sec: 60 }, { key })
    assert.equal(first.status, 200, first.text)
    const { id, created_at: _, ...record } = at(first.json, 'data') as Record<string, unknown>
    assert.match(String(id), /^spc_usw1_/)
    assert.deepEqual(record, {
      name,
      state: 'frozen',
      region: 'usw1',
      tenant_id: tenant,
      external_user_id: null,
      sandbox_id: null,
      has_state: false,
      idle_timeout_sec: 60,
      last_error: null,
      opened_at: null,
      frozen_at: null,
    })
    assert.equal(textAt((await put(name, {}, { key })).json, 'data', 'id'), id)
    assert.equal(textAt((await get(String(id), { key })).json, 'data', 'name'), name)
    const other = textAt((await put(newName(), {}, { key })).json, 'data', 'id')
    assert.deepEqual(await listed('/v1/spaces', { key }), [other, id])
    assert.deepEqual(await listed(`/v1/spaces?limit=1&cursor=${other}`, { key }), [id])
    assert.deepEqual(await listed('/v1/sandboxes', { key }), [])
  })

  test('what was done in it is there when it is opened again, in another sandbox', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 3 })
    const name = newName()
    await put(name, { size: 'xs', metadata: { team: 'red' } }, { key })
    const first = await open(name, { key })
    await remember(first, 'one', { key })
    assert.equal(await open(name, { key }), first, 'who opens it again gets the sandbox that it is in')
    const frozen = await freeze(name, { key })
    assert.deepEqual(
      ['state', 'sandbox_id', 'has_state'].map((field) => at(frozen.json, 'data', field)),
      ['frozen', null, true],
      frozen.text,
    )
    assert.equal((await freeze(name, { key })).status, 200, 'freezing it again changes nothing')
    refused(await region.ask(`/v1/sandboxes/${first}`, { key }), 404, 'sandbox_not_found')
    assert.equal(await usedSlots(tenant), 0)
    const kept = region.host.snapshots.size
    // What it is made of may change; where it goes on from may not.
    await put(name, { size: 'small', metadata: { team: 'blue' } }, { key })
    const second = await open(name, { key })
    assert.notEqual(second, first)
    assert.equal(await recall(second, { key }), 'one')
    const record = await region.ask(`/v1/sandboxes/${second}`, { key })
    assert.deepEqual([at(record.json, 'data', 'size'), at(record.json, 'data', 'metadata')], ['xs', { team: 'blue' }])
    await remember(second, 'two', { key })
    await freeze(name, { key })
    assert.equal(await recall(await open(name, { key }), { key }), 'one two')
    await until('the old state to be forgotten', () => region.host.snapshots.size === kept)
    assert.deepEqual(await listed('/v1/snapshots', { key }), [], 'its states are nobody’s to name')
  })

  test('many who open it at once are in one sandbox', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 20 })
    const name = newName()
    await put(name, {}, { key })
    for (let round = 0; round < 3; round++) {
      const opened = await Promise.all(Array.from({ length: 12 }, () => open(name, { key })))
      assert.equal(new Set(opened).size, 1)
      assert.equal(await usedSlots(tenant), 1)
      await remember(opened[0] ?? '', `r${round}`, { key })
      await freeze(name, { key })
    }
    assert.equal(await recall(await open(name, { key }), { key }), 'r0 r1 r2')
  })

  test('who opens and freezes it at two controllers at once finds it in one sandbox, or in none', async () => {
    const region = regionOf()
    const second = await region.join()
    try {
      const urls = [region.url, `http://${second.address.host}:${second.address.port}`]
      const { key, tenant } = await region.newKey({ concurrency: 20 })
      const name = newName()
      await put(name, {}, { key })
      const ask = async (n: number, verb: string): Promise<{ status: number; text: string }> => {
        const response = await fetch(`${urls[n % 2]}/v1/spaces/${name}/${verb}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}` },
        })
        return { status: response.status, text: await response.text() }
      }
      for (let round = 0; round < 4; round++) {
        const opened = await Promise.all(Array.from({ length: 10 }, (_, n) => ask(n, 'open')))
        const ids = opened.map(({ status, text }) => (status === 200 ? textAt(JSON.parse(text), 'data', 'id') : text))
        assert.equal(new Set(ids).size, 1, ids.join())
        const living = await region.sql(`select from sandbox where tenant = $1 and state <> 'destroyed'`, [tenant])
        assert.equal(living.length, 1)
        const frozen = await Promise.all([0, 1, 2, 3].map((n) => ask(n, 'freeze')))
        for (const { status, text } of frozen) assert.equal(status, 200, text)
        assert.equal(await usedSlots(tenant), 0)
      }
    } finally {
      await second.stop()
    }
  })

  test('who opens, freezes and works in it at once loses nothing that was answered', async () => {
    const { key, tenant } = await regionOf().newKey({ concurrency: 20 })
    const name = newName()
    await put(name, {}, { key })
    const done: string[] = []
    const work = async (n: number): Promise<void> => {
      const id = await open(name, { key })
      const answer = await post(`/v1/sandboxes/${id}/exec`, { command: `remember w${n}` }, { key })
      if (answer.status === 200) done.push(`w${n}`)
    }
    for (let round = 0; round < 6; round++)
      await Promise.all([
        work(round * 2),
        freeze(name, { key }),
        work(round * 2 + 1),
        open(name, { key }).catch(() => ''),
      ])
    const said = (await recall(await open(name, { key }), { key })).split(' ')
    for (const word of done) assert.ok(said.includes(word), `${word} is not in ${said}`)
    assert.ok(done.length >= 6, `only ${done}`)
    assert.equal(await usedSlots(tenant), 1)
  })

  test('one that nobody uses is frozen by itself, one that is used is not', async () => {
    const [idle, used] = [newName(), newName()]
    for (const name of [idle, used]) await put(name)
    const [resting, working] = [await open(idle), await open(used)]
    await remember(resting, 'one')
    await letRest(resting)
    await until('it to be frozen', async () => (await spaceOf(idle, 'state')) === 'frozen')
    assert.equal(await stateOf(resting), 'destroyed')
    assert.deepEqual([await spaceOf(used, 'state'), await spaceOf(used, 'sandbox_id')], ['open', working])
    assert.equal(await recall(await open(idle)), 'one')
  })

  test('however many are open, one that nobody uses is frozen', async () => {
    const used = Array.from({ length: 4 }, newName)
    for (const name of used) {
      await put(name)
      await open(name)
    }
    const idle = newName()
    const id = textAt((await put(idle)).json, 'data', 'id')
    const { controller } = regionOf().running
    try {
      await letRest(await open(idle))
      // Left to the looks of this test, which see one space each.
      controller.inFlight.add(id)
      const looking = { ...controller, inFlight: new Set<string>() }
      const look = async (): Promise<boolean> => {
        await settleSpaces(looking, 1)
        return (await spaceOf(idle, 'state')) === 'frozen'
      }
      await until('it to be frozen', look, 60_000)
    } finally {
      controller.inFlight.delete(id)
    }
  })

  test('what is used while it is being frozen stays open, with what was done', async () => {
    const region = regionOf()
    const name = newName()
    await put(name)
    const id = await open(name)
    const gate = Promise.withResolvers<void>()
    region.host.upsets.snapshots.push({ kind: 'hang_after', until: gate.promise })
    const freezing = freeze(name)
    await until('it to be kept', () => [...region.host.snapshots.values()].some(({ sandbox }) => sandbox === id))
    await remember(id, 'late')
    gate.resolve()
    refused(await freezing, 409, 'state_conflict')
    assert.deepEqual([await spaceOf(name, 'state'), await spaceOf(name, 'sandbox_id')], ['open', id])
    assert.equal(await recall(id), 'late')
    await until('what was kept to be forgotten', () =>
      [...region.host.snapshots.values()].every(({ sandbox }) => sandbox !== id),
    )
  })

  test('an open space is deleted only by force, and a frozen one with its state', async () => {
    const region = regionOf()
    const name = newName()
    const spaceId = textAt((await put(name)).json, 'data', 'id')
    const id = await open(name)
    refused(await remove(`/v1/spaces/${name}`), 409, 'space_in_use')
    await freeze(name)
    assert.equal((await remove(`/v1/spaces/${name}`)).status, 204)
    refused(await get(name), 404, 'not_found')
    assert.deepEqual(await region.sql('select from snapshot where space = $1', [spaceId]), [])
    assert.ok([...region.host.snapshots.values()].every(({ sandbox }) => sandbox !== id))
    await put(name)
    const again = await open(name)
    assert.equal(await recall(again), '')
    assert.equal((await remove(`/v1/spaces/${name}?force=true`)).status, 204)
    assert.equal(await stateOf(again), 'destroyed')
  })

  test('names that are paths, ids or nothing are no names', async () => {
    for (const name of [
      '..%2F..%2Fetc',
      '%2e%2e',
      'A',
      'a_b',
      'a b',
      '-a',
      'x'.repeat(64),
      'sbx_usw1_x',
      '%00',
      'spc_x',
    ]) {
      const answer = await put(name)
      assert.ok([404, 422].includes(answer.status), `${name}: ${answer.text}`)
      refused(await get(name), 404, name === '%2e%2e' ? 'route_not_found' : 'not_found')
    }
    refused(await put(newName(), { size: 'huge' }), 422, 'invalid_request')
    refused(await put(newName(), { template_id: 'none' }), 422, 'template_not_found')
    refused(await post(`/v1/spaces/${newName()}/open`), 404, 'not_found')
  })

  test('it is its tenant’s, or one end user’s, and two users may give one name', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const [one, other] = [await keyOfUser(region, account.tenant, 'u1'), await keyOfUser(region, account.tenant, 'u2')]
    const name = newName()
    const [first, second] = [await put(name, {}, { key: one }), await put(name, {}, { key: other })]
    assert.notEqual(textAt(first.json, 'data', 'id'), textAt(second.json, 'data', 'id'))
    const id = await open(name, { key: one })
    const record = await region.ask(`/v1/sandboxes/${id}`, { key: one })
    assert.equal(textAt(record.json, 'data', 'external_user_id'), 'u1')
    refused(await region.ask(`/v1/sandboxes/${id}`, { key: other }), 404, 'sandbox_not_found')
    refused(await get(textAt(first.json, 'data', 'id'), { key: other }), 404, 'not_found')
    assert.equal((await listed('/v1/spaces', { key: account.key })).length, 2)
    refused(await get(name), 404, 'not_found')
  })

  test('a sandbox that fails to be made leaves the space as it was; one that ends takes only what it did', async () => {
    const region = regionOf()
    const name = newName()
    await put(name)
    region.host.mishaps.push({ kind: 'fail', error: new AppError('boot_failed', 'It does not boot.') })
    refused(await post(`/v1/spaces/${name}/open`), 503, 'boot_failed')
    assert.deepEqual([await spaceOf(name, 'state'), await spaceOf(name, 'last_error')], ['frozen', 'It does not boot.'])
    await remember(await open(name), 'kept')
    await freeze(name)
    const second = await open(name)
    await remember(second, 'lost')
    await remove(`/v1/sandboxes/${second}`)
    await until('the space to notice', async () => (await spaceOf(name, 'state')) === 'frozen')
    const third = await open(name)
    assert.equal(await recall(third), 'kept')
    region.host.vms.delete(third)
    region.host.lost.push({ id: third, reason: 'QEMU was killed.', cause: 'died', at_ms: Date.now() })
    await until('the space to say why', async () => (await spaceOf(name, 'last_error')) === 'QEMU was killed.')
    for (const [snapshotId] of region.host.snapshots) region.host.snapshots.delete(snapshotId)
    await until('its state to be known as lost', async () => {
      const rows = await region.sql(`select from snapshot where space is not null and state = 'ready'`)
      return rows.length === 0
    })
    refused(await post(`/v1/spaces/${name}/open`), 410, 'snapshot_lost')
  })

  // As they stand when a controller was killed between any two steps.
  test('what a crash leaves of an opening or a freezing is finished or taken back', async () => {
    const region = regionOf()
    const names = [newName(), newName(), newName(), newName()]
    for (const name of names) await put(name)
    const [opened = '', failed = '', freezing = '', gone = ''] = names
    const ids = [await open(opened), await open(failed), await open(freezing), await open(gone)]
    await remember(ids[2] ?? '', 'kept')
    for (const n of [1, 3]) await remove(`/v1/sandboxes/${ids[n]}`)
    await region.sql(
      `update space set state = case when name = any ($1) then 'opening' else 'freezing' end, instance = $3,
         sandbox = case name when $4 then $5 else sandbox end,
         next_snapshot = 'snap_gone', changed_at = now() - interval '1 minute' where name = any ($1) or name = any ($2)`,
      [[opened, failed], [freezing, gone], DEAD, gone, ids[3]],
    )
    await until('the opened one to be open', async () => (await spaceOf(opened, 'state')) === 'open')
    await until('the failed one to be frozen', async () => (await spaceOf(failed, 'state')) === 'frozen')
    await until('the freezing one to be open', async () => (await spaceOf(freezing, 'state')) === 'open')
    await until('the one without a sandbox to be frozen', async () => (await spaceOf(gone, 'state')) === 'frozen')
    assert.equal(await open(opened), ids[0])
    assert.equal(await recall(await open(freezing)), 'kept')
    assert.equal(await recall(await open(failed)), '')
  })

  test('a tenant without a slot hears so, and its space stays frozen', async () => {
    const region = regionOf()
    const { key } = await region.newKey({ concurrency: 1 })
    const name = newName()
    await put(name, {}, { key })
    await create({}, { key })
    refused(await post(`/v1/spaces/${name}/open`, {}, { key }), 429, 'concurrency_limit')
    assert.equal(textAt((await get(name, { key })).json, 'data', 'state'), 'frozen')
  })
}
