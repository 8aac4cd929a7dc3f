/** Quotas and room: exact, whatever races. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COUNTED, STATES } from '../../../../shared/lifecycle.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'

export function admissionPromises(regionOf: () => TestRegion): void {
  const createAs = (key: string, body: object = {}) => regionOf().ask('/v1/sandboxes', { method: 'POST', key, body })

  // A tenant who could exceed its limit by racing would be stopped by nothing else.
  test('200 parallel creates at a limit of 50 make exactly 50, and every refusal says how to go on', async () => {
    const region = regionOf()
    const { key, tenant, tier } = await region.newKey({ concurrency: 50 })
    const answers = await Promise.all(Array.from({ length: 200 }, () => createAs(key)))
    assert.equal(answers.filter(({ status }) => status === 201).length, 50)
    const refused = answers.filter(({ status }) => status !== 201)
    for (const answer of refused) {
      assert.equal(answer.status, 429, answer.text)
      assert.equal(textAt(answer.json, 'error', 'code'), 'concurrency_limit')
      assert.deepEqual(at(answer.json, 'error', 'details'), { limit: 50, running: 50, tier })
      assert.equal(answer.headers.get('ratelimit-policy'), '"concurrency";q=50;qu="concurrent-requests"')
      assert.ok(answer.headers.get('retry-after'))
      assert.equal(answer.headers.get('x-not-executed'), '1')
    }
    assert.deepEqual(await region.sql('select used from quota_grant where tenant = $1', [tenant]), [{ used: 50 }])
  })

  test('a slot freed by destroy or pause is free for the very next create, and resume needs one again', async () => {
    const region = regionOf()
    const { key } = await region.newKey({ concurrency: 1 })
    const first = textAt((await createAs(key)).json, 'data', 'id')
    assert.equal((await createAs(key)).status, 429)
    await region.ask(`/v1/sandboxes/${first}/pause`, { method: 'POST', key })
    const second = textAt((await createAs(key)).json, 'data', 'id')
    const refused = await region.ask(`/v1/sandboxes/${first}/exec`, {
      method: 'POST',
      key,
      body: { command: 'echo 1' },
    })
    assert.equal(refused.status, 429, refused.text)
    await region.ask(`/v1/sandboxes/${second}`, { method: 'DELETE', key })
    const ran = await region.ask(`/v1/sandboxes/${first}/exec`, { method: 'POST', key, body: { command: 'echo 1' } })
    assert.equal(ran.status, 200, ran.text)
  })

  test('of 20 creates with one name exactly one wins', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const answers = await Promise.all(Array.from({ length: 20 }, () => createAs(key, { name: 'only one' })))
    assert.equal(answers.filter(({ status }) => status === 201).length, 1)
    assert.equal(answers.filter(({ json }) => textAt(json, 'error', 'code') === 'name_taken').length, 19)
  })

  test('racing commands wake a paused sandbox once and all run', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const path = `/v1/sandboxes/${textAt((await createAs(key)).json, 'data', 'id')}`
    await region.ask(`${path}/pause`, { method: 'POST', key })
    const runs = Array.from({ length: 10 }, () =>
      region.ask(`${path}/exec`, { method: 'POST', key, body: { command: 'echo 1' } }),
    )
    for (const { status, text } of await Promise.all(runs)) assert.equal(status, 200, text)
  })

  test('of 10 destroys exactly one is answered 204', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const path = `/v1/sandboxes/${textAt((await createAs(key)).json, 'data', 'id')}`
    const answers = await Promise.all(Array.from({ length: 10 }, () => region.ask(path, { method: 'DELETE', key })))
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [204, ...Array(9).fill(404)])
  })

  test('a machine over the size or time of the tier is refused, naming what is allowed', async () => {
    const region = regionOf()
    const { key } = await region.newKey({ tier: 'free' })
    for (const body of [{ size: 'large' }, { cpu_count: 5 }, { timeout_sec: 3_601 }, { always_on: true }]) {
      const answer = await createAs(key, body)
      assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [403, 'size_not_allowed'], answer.text)
      assert.ok(at(answer.json, 'error', 'details'))
    }
  })

  // Room that is promised twice is a machine that runs out of memory.
  test('hosts are filled to what they offer and not one machine further, and what is destroyed is free again', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const [{ held } = { held: 0 }] = await region.sql<{ held: number }>(
      'select sum(reserved_memory_mib)::int as held from host',
    )
    // Room for five more machines of 32 GiB beside what is promised, over two hosts.
    const [first, second] = await region.sql<{ id: string; own: number }>(
      'select id, reserved_memory_mib::int as own from host order by id',
    )
    assert.ok(first && second && held >= 0)
    for (const [host, more] of [
      [first, 3],
      [second, 2],
    ] as const) {
      const double = region.hosts.find(({ name }) => name === host.id)
      assert.ok(double)
      double.memoryMib = host.own + more * 32_768
    }
    try {
      await until('the hosts to be polled', async () => {
        const rows = await region.sql('select from host where offered_memory_mib < 4000000')
        return rows.length === 2
      })
      const answers = await Promise.all(Array.from({ length: 12 }, () => createAs(key, { size: 'xl' })))
      const made = answers.filter(({ status }) => status === 201)
      assert.equal(made.length, 5, answers.map(({ text }) => text).join('\n'))
      for (const { status, json } of answers.filter((answer) => !made.includes(answer)))
        assert.deepEqual([status, textAt(json, 'error', 'code')], [503, 'capacity_exhausted'])
      await region.ask(`/v1/sandboxes/${textAt(made[0]?.json, 'data', 'id')}`, { method: 'DELETE', key })
      await until('the freed room to be used', async () => (await createAs(key, { size: 'xl' })).status === 201)
    } finally {
      for (const double of region.hosts) double.memoryMib = 4_000_000
      await until('the room to be offered again', async () => {
        const rows = await region.sql('select from host where offered_memory_mib = 4000000')
        return rows.length === 2
      })
    }
  })

  test('the counters of slots and room are what the rows say, after all of this', async () => {
    const region = regionOf()
    const counted = [...COUNTED]
    const wrongSlots = await region.sql(
      `select q.tenant, q.used, count(s.id) from quota_grant q left join sandbox s on s.tenant = q.tenant and s.state = any($1)
       group by q.tenant, q.used having q.used <> count(s.id)`,
      [counted],
    )
    assert.deepEqual(wrongSlots, [])
    const wrongRoom = await region.sql(
      `select h.id from host h left join sandbox s on s.host = h.id and s.released_at is null group by h.id
       having h.reserved_vms <> count(s.id) or h.reserved_memory_mib <> coalesce(sum(s.memory_mib), 0)
         or h.reserved_disk_mib <> coalesce(sum(s.disk_mib), 0) or h.reserved_vcpus <> coalesce(sum(s.vcpus), 0)`,
    )
    assert.deepEqual(wrongRoom, [])
  })

  test('the database and the lifecycle agree on which states count', async () => {
    const rows = await regionOf().sql<{ state: string; counted: boolean }>(
      'select state, is_counted(state) as counted from unnest($1::text[]) as state',
      [[...STATES]],
    )
    assert.deepEqual(
      rows.filter(({ counted }) => counted).map(({ state }) => state),
      [...COUNTED],
    )
  })

  test('every state of every sandbox left an event, in order', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const id = textAt((await createAs(key)).json, 'data', 'id')
    await region.ask(`/v1/sandboxes/${id}/pause`, { method: 'POST', key })
    await region.ask(`/v1/sandboxes/${id}/resume`, { method: 'POST', key })
    await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE', key })
    const events = await region.sql<{ type: string }>('select type from event where sandbox = $1 order by id', [id])
    assert.deepEqual(
      events.map(({ type }) => type),
      ['created', 'running', 'paused', 'provisioning', 'resumed', 'destroyed'].map((word) => `sandbox.${word}`),
    )
  })
}
