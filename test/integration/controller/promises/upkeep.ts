/** What goes on beside requests: what is old is forgotten, what is summed up is counted again, and both are seen by the metrics. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetOld } from '../../../../origin/controller/reconcile/forget.ts'
import { recount } from '../../../../origin/controller/reconcile/recount.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { INTERNAL, type TestRegion, textAt, until } from '../support/region.ts'

export function upkeepPromises(regionOf: () => TestRegion): void {
  const create = async (): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body: {} })).json, 'data', 'id')
  const scrape = async (): Promise<string> =>
    (await fetch(`${regionOf().url}/metrics`, { headers: { authorization: `Bearer ${INTERNAL}` } })).text()
  const amountOf = async (metric: string): Promise<number> =>
    Number(
      (await scrape())
        .split('\n')
        .find((line) => line.startsWith(`${metric} `))
        ?.split(' ')[1],
    )

  // What it used must stay on the bill, and who may still see it must not lose it early.
  test('a sandbox is forgotten long after it ended and is gone, and its meter stays', async () => {
    const region = regionOf()
    const [live, ended, lately] = [await create(), await create(), await create()]
    for (const id of [ended, lately]) await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })
    await until(
      'both to be cleared',
      async () =>
        (await region.sql('select from sandbox where id = any($1) and released_at is not null', [[ended, lately]]))
          .length === 2,
    )
    const longAgo = `now() - interval '${LIMITS.endedSandboxKeptMs + 60_000} milliseconds'`
    await region.sql(`update sandbox set changed_at = ${longAgo} where id = any($1)`, [[ended, live]])
    await forgetOld(region.running.controller)
    const rows = await region.sql<{ id: string }>('select id from sandbox where id = any($1) order by id', [
      [live, ended, lately],
    ])
    assert.deepEqual(rows.map(({ id }) => id).sort(), [live, lately].sort())
    assert.equal((await region.sql('select from usage_interval where sandbox = $1', [ended])).length, 1)
    assert.ok((await amountOf('atoll_forgotten_rows_total{table="sandbox"}')) >= 1)
  })

  test('an expired Idempotency-Key and a used join token are forgotten, and others are not', async () => {
    const region = regionOf()
    const week = `interval '${LIMITS.hostTokenKeptMs + 60_000} milliseconds'`
    await region.sql(`insert into host_token (id, hash, expires_at, used_at) values
      ('used', 'a', now() + interval '1 day', now() - ${week}), ('expired', 'b', now() - ${week}, null),
      ('fresh', 'c', now() + interval '1 day', null)`)
    await region.sql(`insert into idempotency (tenant, route, key, fingerprint, sandbox, instance, expires_at) values
      ('t', 'create', 'old', 'f', 's', 1, now() - interval '1 second'), ('t', 'create', 'new', 'f', 's', 1, now() + interval '1 hour')`)
    await forgetOld(region.running.controller)
    assert.deepEqual(await region.sql('select id from host_token'), [{ id: 'fresh' }])
    assert.deepEqual(await region.sql(`select key from idempotency where tenant = 't'`), [{ key: 'new' }])
  })

  // A sum that is too high refuses what should be admitted; one that is too low admits what should not be.
  test('a promised room or a used slot that does not add up is counted again, and shows in the metrics', async () => {
    const region = regionOf()
    await create()
    const sums = () =>
      region.sql('select reserved_vcpus, reserved_memory_mib, reserved_disk_mib, reserved_vms from host')
    const used = () => region.sql('select tenant, used from quota_grant order by tenant')
    const [rightSums, rightUsed] = [await sums(), await used()]
    await recount(region.running.controller)
    assert.equal(await amountOf('atoll_mends_total{kind="reservations"}'), Number.NaN, 'nothing was wrong')
    await region.sql('update host set reserved_vms = reserved_vms + 3, reserved_memory_mib = 0')
    await region.sql('update quota_grant set used = used + 7')
    await recount(region.running.controller)
    assert.deepEqual([await sums(), await used()], [rightSums, rightUsed])
    assert.equal(await amountOf('atoll_mends_total{kind="reservations"}'), 1)
    assert.ok((await amountOf('atoll_mends_total{kind="slots"}')) >= 1)
  })

  test('counting again beside creates and destroys finds nothing wrong', async () => {
    const region = regionOf()
    const before = await amountOf('atoll_mends_total{kind="slots"}')
    let isOver = false
    const counting = (async () => {
      while (!isOver) await recount(region.running.controller)
    })()
    const live = async (): Promise<void> => {
      for (let n = 0; n < 5; n++) await region.ask(`/v1/sandboxes/${await create()}`, { method: 'DELETE' })
    }
    await Promise.all(Array.from({ length: 6 }, live))
    isOver = true
    await counting
    assert.equal(await amountOf('atoll_mends_total{kind="slots"}'), before)
  })

  test('each reconciler says when it last came to its end', async () => {
    const names = ['machines', 'forget', 'recount', 'meters']
    const shown = (text: string, name: string): boolean =>
      new RegExp(`last_success_timestamp_seconds\\{reconciler="${name}"\\} \\d`).test(text)
    await until('all of them', async () => {
      const text = await scrape()
      return names.every((name) => shown(text, name))
    })
  })

  test('metrics are shown to our own machines only, and name no tenant, id or key', async () => {
    const region = regionOf()
    const id = await create()
    for (const authorization of [undefined, `Bearer ${region.key}`])
      assert.equal(
        (await fetch(`${region.url}/metrics`, { headers: authorization === undefined ? {} : { authorization } }))
          .status,
        401,
      )
    await region.ask(`/v1/sandboxes/${id}`)
    await region.ask(`/v1/nowhere/${id}`)
    const text = await scrape()
    assert.match(text, /atoll_request_seconds_count\{method="GET",route="\/v1\/sandboxes\/:id",status="200"\} \d/)
    assert.match(text, /atoll_phase_seconds_count\{phase="admit"\} \d/)
    assert.match(text, /nodejs_eventloop_lag_p99_seconds \d/)
    assert.ok(!text.includes(id) && !text.includes('tenant_') && !text.includes('key_'))
  })
}
