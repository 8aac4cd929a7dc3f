/** What tenants are told of their usage is what the meters say: to the millisecond, cut at midnight, priced by the rate of the day. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { sumUsage } from '../../../../origin/controller/metering/sum-usage.ts'
import { type Account, type Ask, at, OPERATOR, type TestRegion, textAt } from '../support/region.ts'

const DAY_MS = 24 * 3_600_000
const START_MS = Date.UTC(2026, 2, 1)
const RATES = {
  currency: 'EUR',
  rates: [
    { since: '1970-01-01', vcpu: 0.05, memory_gib: 0.016, paused_memory_gib: 0.002, disk_gib: 0.0001 },
    { since: '2026-03-04', vcpu: 0.07, memory_gib: 0.3, paused_memory_gib: 0.000000001, disk_gib: 0 },
  ],
}

type Interval = { state: 'running' | 'paused'; openedMs: number; closedMs: number; vcpus: number; memoryMib: number }
const DISK_MIB = 10_240

export function usagePromises(regionOf: () => TestRegion): void {
  const meter = (account: Account, one: Interval, sandbox: string, externalUser: string | null = null) =>
    regionOf().sql(
      `insert into usage_interval (sandbox, tenant, external_user, state, vcpus, memory_mib, disk_mib, opened_at, closed_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        ...[sandbox, account.tenant, externalUser, one.state, one.vcpus, one.memoryMib, DISK_MIB],
        ...[new Date(one.openedMs), new Date(one.closedMs)],
      ],
    )
  const read = async (account: Account, path: string): Promise<Record<string, unknown>[]> => {
    const answer = await regionOf().ask(path, { key: account.key })
    assert.equal(answer.status, 200, answer.text)
    const data = at(answer.json, 'data')
    assert.ok(Array.isArray(data), answer.text)
    return data
  }
  const operate = (path: string, options: Ask = {}) => regionOf().ask(path, { key: OPERATOR, ...options })
  const ran = (openedMs: number, ms: number, vcpus = 1): Interval => ({
    state: 'running',
    openedMs,
    closedMs: openedMs + ms,
    vcpus,
    memoryMib: 2_048,
  })

  test('an operator replaces the rates, and nobody else does', async () => {
    const region = regionOf()
    assert.equal(textAt((await operate('/v1/admin/rates')).json, 'data', 'currency'), 'USD')
    for (const method of ['GET', 'PUT'])
      assert.equal(
        (await region.ask('/v1/admin/rates', { method, body: method === 'PUT' ? RATES : undefined })).status,
        401,
      )
    const wrong = [
      { ...RATES, currency: 'euro' },
      { ...RATES, rates: [] },
      { ...RATES, rates: [RATES.rates[0], RATES.rates[0]] },
      { ...RATES, rates: [{ ...RATES.rates[0], vcpu: -1 }] },
      { ...RATES, rates: [{ ...RATES.rates[0], vcpu: 0.0000000001 }] },
      { ...RATES, rates: [{ ...RATES.rates[0], since: '2026-02-30' }] },
    ]
    for (const body of wrong)
      assert.equal((await operate('/v1/admin/rates', { method: 'PUT', body })).status, 422, JSON.stringify(body))
    const replaced = await operate('/v1/admin/rates', { method: 'PUT', body: RATES })
    assert.deepEqual([replaced.status, at(replaced.json, 'data')], [200, RATES], replaced.text)
    assert.deepEqual(at((await operate('/v1/admin/rates')).json, 'data'), RATES)
  })

  // The model reckons in whole units, so that a cent that drifts anywhere would show.
  test('sums, days and costs are exact, wherever intervals and the period begin and end', async () => {
    const moment = fc.integer({ min: -3 * DAY_MS, max: 6 * DAY_MS })
    const interval = fc.record({
      state: fc.constantFrom('running' as const, 'paused' as const),
      from: moment,
      ms: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 4 * DAY_MS }), fc.constant(DAY_MS)),
      vcpus: fc.integer({ min: 1, max: 16 }),
      memoryMib: fc.integer({ min: 512, max: 32_768 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(interval, { maxLength: 8 }),
        fc.oneof(
          fc.integer({ min: 0, max: 5 }).map((days) => days * DAY_MS),
          fc.integer({ min: 0, max: 5 * DAY_MS }),
        ),
        fc.integer({ min: 1, max: 5 * DAY_MS }),
        async (drawn, fromOffset, length) => {
          const account = await regionOf().newKey()
          const intervals = drawn.map(({ from, ms, ...rest }) => ({
            ...rest,
            openedMs: START_MS + from,
            closedMs: START_MS + from + ms,
          }))
          for (const [index, one] of intervals.entries()) await meter(account, one, `sbx_${index}`)
          const period = { from: new Date(START_MS + fromOffset), to: new Date(START_MS + fromOffset + length) }
          const reach = { tenant: account.tenant, externalUser: null, sandbox: null }
          const ask = (grouping: 'day' | null) =>
            sumUsage(regionOf().running.controller.database.db, { reach, period, region: 'usw1', grouping, limit: 100 })
          const model = modelOf(intervals, period.from.getTime(), period.to.getTime())
          const days = await ask('day')
          assert.deepEqual(
            days.map(({ id: _, ...row }) => row),
            [...model.keys()]
              .sort()
              .reverse()
              .map((day) => ({ key: day, ...toSums(model.get(day) ?? []) })),
          )
          const [total] = await ask(null)
          const all = [...model.values()].flat()
          if (all.length === 0) assert.equal(total, undefined)
          else assert.deepEqual(total, { id: 'none.usw1', key: null, ...toSums(all) })
        },
      ),
      { numRuns: 25, endOnFailure: true },
    )
  })

  test('what is open counts up to now, and a session says so', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const id = textAt(
      (await region.ask('/v1/sandboxes', { method: 'POST', key: account.key, body: {} })).json,
      'data',
      'id',
    )
    await region.sql(`update usage_interval set opened_at = now() - interval '10 seconds' where sandbox = $1`, [id])
    await region.sql(`update sandbox set expires_at = null where id = $1`, [id])
    // Not of this month alone, which may have begun a second ago.
    const bySandbox = '/v1/usage?from=2020-01-01&group_by=sandbox'
    const [row] = await read(account, bySandbox)
    assert.ok(Number(row?.running_seconds) >= 10 && Number(row?.running_seconds) < 70, JSON.stringify(row))
    assert.deepEqual([row?.id, row?.sandbox_id, row?.region, row?.currency], [id, id, 'usw1', 'EUR'])
    assert.equal(row?.vcpu_seconds, Number(row?.running_seconds) * 2)
    const [session] = await read(account, '/v1/usage/sessions')
    assert.deepEqual([session?.sandbox_id, session?.state, session?.ended_at], [id, 'running', null])

    // Its time was over, or its host is silent: then no more is counted than it will be closed at.
    await region.sql(
      `update sandbox set expires_at = (select opened_at + interval '3 seconds' from usage_interval where sandbox = $1) where id = $1`,
      [id],
    )
    const [over] = await read(account, bySandbox)
    assert.equal(over?.running_seconds, 3, JSON.stringify(over))
  })

  test('rows and sessions come in pages that join without a gap or a twin', async () => {
    const account = await regionOf().newKey()
    const ids = Array.from({ length: 7 }, () => `sbx_${randomUUID()}`)
    for (const [index, id] of ids.entries())
      await meter(account, ran(START_MS + Math.floor(index / 2) * 1_000, 5_000), id, `user ${index % 3}`)
    const period = 'from=2026-03-01&to=2026-03-02'
    for (const path of [
      `/v1/usage?${period}&group_by=sandbox`,
      `/v1/usage?${period}&group_by=external_user`,
      '/v1/usage/sessions?x=1',
    ]) {
      const whole = await read(account, path)
      const seen: unknown[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await regionOf().ask(
          `${path}&limit=2${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
          { key: account.key },
        )
        seen.push(...(at(page.json, 'data') as unknown[]))
        const next: unknown = at(page.json, 'next_cursor')
        cursor = typeof next === 'string' ? next : null
      }
      assert.deepEqual(seen, whole, path)
      assert.equal(new Set(whole.map(({ id }) => id)).size, whole.length)
      // The edge joins lists of several regions by this order.
      assert.deepEqual(
        whole.map(({ id }) => id),
        whole
          .map(({ id }) => String(id))
          .sort()
          .reverse(),
      )
    }
    const users = await read(account, `/v1/usage?${period}&group_by=external_user`)
    assert.deepEqual(users.map((row) => row.external_user_id).sort(), ['user 0', 'user 1', 'user 2'])
    const workspaces = await read(account, `/v1/usage?${period}&group_by=workspace`)
    assert.deepEqual(
      workspaces.map((row) => [row.id, row.workspace_id, row.running_seconds]),
      [['none.usw1', null, 35]],
    )
  })

  test('a tenant sees its own usage, and a key of one of its users only that user’s', async () => {
    const region = regionOf()
    const [mine, theirs] = [await region.newKey(), await region.newKey()]
    const users = await region.newKey({ tenant: mine.tenant })
    await region.sql(`update api_key set external_user = 'ann' where id = $1`, [users.keyId])
    await meter(mine, ran(START_MS, 1_000), 'sbx_ann', 'ann')
    await meter(mine, ran(START_MS, 2_000), 'sbx_bob', 'bob')
    const period = 'from=2026-03-01&to=2026-03-02'
    const secondsOf = async (account: Account) =>
      at((await region.ask(`/v1/usage/summary?${period}`, { key: account.key })).json, 'data', 'running_seconds')
    assert.deepEqual([await secondsOf(mine), await secondsOf(users), await secondsOf(theirs)], [3, 1, 0])
    for (const path of [`/v1/usage?${period}&group_by=sandbox`, '/v1/usage/sessions']) {
      assert.deepEqual(
        (await read(users, path)).map((row) => row.sandbox_id),
        ['sbx_ann'],
      )
      assert.deepEqual(await read(theirs, path), [])
    }
    const { key } = await region.newKey({ scopes: ['sandboxes:read'] })
    for (const path of ['/v1/usage', '/v1/usage/summary', '/v1/usage/sessions', '/v1/credits/balance'])
      assert.equal((await region.ask(path, { key })).status, 403, path)
  })

  test('a period or cursor that is none is refused', async () => {
    for (const query of [
      'from=yesterday',
      'from=2026-03-02&to=2026-03-01',
      'from=2020-01-01&to=2026-01-01',
      'group_by=colour',
      'limit=0',
      `cursor=${'x'.repeat(1_000)}`,
    ])
      assert.equal((await regionOf().ask(`/v1/usage?${query}`)).status, 422, query)
    assert.equal(
      (await regionOf().ask('/v1/usage/sessions?cursor=2026-13-01T00:00:00.000Z.usw1.000000000001')).status,
      422,
    )
    assert.equal((await regionOf().ask('/v1/usage?from=2020-01-01&group_by=sandbox')).status, 200)
  })

  test('the summary holds numbers that the edge can add up, and credits say that nothing is prepaid', async () => {
    const account = await regionOf().newKey()
    await meter(account, ran(START_MS, 3_600_000, 2), 'sbx_1')
    const [summary, credits] = [
      await regionOf().ask('/v1/usage/summary?from=2026-03-01&to=2026-03-02', { key: account.key }),
      await regionOf().ask('/v1/credits/usage?from=2026-03-01&to=2026-03-02', { key: account.key }),
    ]
    assert.deepEqual(at(summary.json, 'data'), {
      vcpu_seconds: 7_200,
      memory_gib_seconds: 7_200,
      paused_memory_gib_seconds: 0,
      disk_gib_seconds: 36_000,
      running_seconds: 3_600,
      paused_seconds: 0,
      cost: 0.133,
      currency: 'EUR',
      from: '2026-03-01T00:00:00.000Z',
      to: '2026-03-02T00:00:00.000Z',
    })
    assert.deepEqual(credits.json, at(summary.json, 'data'), 'which clients hand on without unwrapping it')
    const balance = await regionOf().ask('/v1/credits/balance', { key: account.key })
    assert.deepEqual([at(balance.json, 'unlimited'), at(balance.json, 'tenant_id')], [true, account.tenant])
    const transactions = await regionOf().ask('/v1/credits/transactions?page=2&per_page=5', { key: account.key })
    assert.deepEqual(transactions.json, { data: [], transactions: [], meta: { page: 2, per_page: 5, total: 0 } })
  })

  test('usage is found by index among that of all others', async () => {
    const region = regionOf()
    await region.sql(
      `insert into usage_interval (sandbox, tenant, state, vcpus, memory_mib, disk_mib, opened_at, closed_at)
       select 'sbx_' || n, 'tenant_' || n % 200, 'running', 1, 512, 1024, at, at + interval '1 minute'
       from generate_series(1, 40000) n, lateral (select timestamptz '2026-01-01' + n * interval '1 minute' as at) moment`,
    )
    await region.sql('analyze usage_interval')
    const planOf = async (sql: string): Promise<string> =>
      JSON.stringify(await region.sql(`explain (format json, costs off) ${sql}`))
    const open = await planOf(
      `select * from usage_interval u where u.tenant = 'tenant_7' and u.opened_at < now() and coalesce(u.closed_at, 'infinity') > timestamptz '2026-01-28'`,
    )
    assert.match(open, /usage_tenant/)
    assert.doesNotMatch(open, /Seq Scan/)
    const sessions = await planOf(
      `select * from usage_interval where tenant = 'tenant_7' order by opened_at desc, id desc limit 50`,
    )
    assert.match(sessions, /usage_tenant/)
    assert.doesNotMatch(sessions, /Seq Scan|"Sort"/)
  })
}

type Piece = { ms: bigint; day: string; interval: Interval }

/** The pieces of every day of the period, cut one by one. */
function modelOf(intervals: Interval[], fromMs: number, toMs: number): Map<string, Piece[]> {
  const days = new Map<string, Piece[]>()
  for (const interval of intervals) {
    const end = Math.min(interval.closedMs, toMs)
    for (let begin = Math.max(interval.openedMs, fromMs); begin < end; ) {
      const midnight = (Math.floor(begin / DAY_MS) + 1) * DAY_MS
      const stop = Math.min(end, midnight)
      const day = new Date(begin).toISOString().slice(0, 10)
      days.set(day, [...(days.get(day) ?? []), { ms: BigInt(stop - begin), day, interval }])
      begin = stop
    }
  }
  return days
}

/** Prices have nine decimals, so a thousand-millionth is the unit that everything is a whole number of. */
const NANO = 1_000_000_000
const priceOf = (day: string) => {
  const rate = RATES.rates.findLast(({ since }) => since <= day)
  const nano = (price: number | undefined): bigint => BigInt(Math.round((price ?? 0) * NANO))
  return {
    vcpu: nano(rate?.vcpu),
    memory: nano(rate?.memory_gib),
    paused: nano(rate?.paused_memory_gib),
    disk: nano(rate?.disk_gib),
  }
}

function toSums(pieces: Piece[]) {
  const sums = { running: 0n, paused: 0n, vcpu: 0n, memoryMib: 0n, pausedMemoryMib: 0n, diskMib: 0n }
  let cost = 0n
  for (const { ms, day, interval } of pieces) {
    const price = priceOf(day)
    const memory = ms * BigInt(interval.memoryMib)
    const disk = ms * BigInt(DISK_MIB)
    sums[interval.state] += ms
    sums.diskMib += disk
    cost += disk * price.disk
    if (interval.state === 'running') {
      sums.vcpu += ms * BigInt(interval.vcpus)
      sums.memoryMib += memory
      cost += ms * BigInt(interval.vcpus) * 1_024n * price.vcpu + memory * price.memory
    } else {
      sums.pausedMemoryMib += memory
      cost += memory * price.paused
    }
  }
  // To a millionth, half up: per GiB and hour, and a thousand-millionth each.
  const perMillionth = 3_600_000n * 1_024n * 1_000n
  const millionths = (cost * 2n + perMillionth) / (perMillionth * 2n)
  return {
    ...Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, Number(value)])),
    cost: Number(millionths) / 1_000_000,
  }
}
