/** What is paid for is what ran or was paused: all of it, nothing twice, whatever the clock and the controllers did. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { mendMeters } from '../../../../origin/controller/reconcile/mend-meters.ts'
import { LIVE, type SandboxState, transition } from '../../../../shared/lifecycle.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type Account, type TestRegion, textAt, until } from '../support/region.ts'

type Interval = { state: string; opened: number; closed: number | null }

const START_MS = Date.UTC(2026, 0, 1)
const LIFETIME = ['ready', 'pause', 'resume', 'snapshot', 'snapshotted', 'fail', 'destroy'] as const
const METERED: Partial<Record<SandboxState, 'running' | 'paused'>> = {
  running: 'running',
  snapshotting: 'running',
  paused: 'paused',
}

export function meteringPromises(regionOf: () => TestRegion): void {
  let account: Account
  before(async () => {
    account = await regionOf().newKey()
    // A host that is never silent and that no controller has, so that nobody but the test moves what is on it.
    await regionOf().sql(
      `insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
       values ('steady', false, false, 0, 0, 0, 0, 'infinity')`,
    )
  })
  const place = async (state: SandboxState, atMs: number, host = 'steady', expiresMs: number | null = null) => {
    const id = `sbx_${randomUUID()}`
    await regionOf().sql(
      `insert into sandbox (id, tenant, state, revision, host, instance, template, vcpus, memory_mib, disk_mib, timeout_sec,
         idle_timeout_sec, always_on, persistent, env, metadata, tags, created_at, changed_at, expires_at)
       values ($1, $2, $3, 1, $4, 1, 'default', 2, 4096, 20480, 300, 0, false, true, '{}', '{}', '{}', $5, $5, $6)`,
      [id, account.tenant, state, host, new Date(atMs), expiresMs === null ? null : new Date(expiresMs)],
    )
    return id
  }
  const move = (id: string, state: SandboxState, atMs: number) =>
    regionOf().sql(`update sandbox set state = $2, changed_at = $3, revision = revision + 1 where id = $1`, [
      id,
      state,
      new Date(atMs),
    ])
  const intervalsOf = async (id: string): Promise<Interval[]> =>
    (
      await regionOf().sql<{ state: string; opened_at: Date; closed_at: Date | null }>(
        'select state, opened_at, closed_at from usage_interval where sandbox = $1 order by id',
        [id],
      )
    ).map((row) => ({ state: row.state, opened: row.opened_at.getTime(), closed: row.closed_at?.getTime() ?? null }))
  const create = async (body: object = {}): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body })).json, 'data', 'id')
  const mend = () => mendMeters(regionOf().running.controller)

  test('meters never overlap or run backwards, and cover exactly what ran or was paused while the clock went forward', async () => {
    const step = fc.record({ event: fc.constantFrom(...LIFETIME), seconds: fc.integer({ min: -50, max: 100 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
        let [state, now, high]: [SandboxState, number, number] = ['creating', START_MS, 0]
        const expected = { running: 0, paused: 0 }
        const id = await place(state, now)
        const go = async (to: SandboxState, seconds: number) => {
          now += seconds * 1_000
          const kind = METERED[state]
          if (kind !== METERED[to]) {
            // Time that the clock shows a second time was paid for the first time.
            if (kind !== undefined) expected[kind] += Math.max(0, now - high)
            high = Math.max(high, now)
          }
          state = to
          await move(id, to, now)
        }
        for (const { event, seconds } of steps) {
          const verdict = transition(state, event)
          if (verdict.kind === 'moved') await go(verdict.to, seconds)
        }
        assert.equal((await intervalsOf(id)).at(-1)?.closed === null, METERED[state] !== undefined)
        if (LIVE.has(state)) await go('destroyed', 10)
        const seen = await intervalsOf(id)
        for (const [index, { opened, closed }] of seen.entries()) {
          assert.ok(closed !== null && closed >= opened, 'negative time, or no end')
          const last = seen[index - 1]
          if (last !== undefined) assert.ok(last.closed !== null && last.closed <= opened, 'an overlap')
        }
        const paid = (kind: string) =>
          seen.reduce((sum, one) => sum + (one.state === kind ? (one.closed ?? one.opened) - one.opened : 0), 0)
        assert.deepEqual({ running: paid('running'), paused: paid('paused') }, expected)
      }),
      { numRuns: 60, endOnFailure: true },
    )
  })

  test('what its host stopped on time is not paid for until somebody heard of it, and is paused from then on', async () => {
    const id = await place('running', START_MS, 'steady', START_MS + 300_000)
    await move(id, 'paused', START_MS + 3_600_000)
    await move(id, 'destroyed', START_MS + 7_200_000)
    const [ran, rested] = await intervalsOf(id)
    assert.deepEqual(ran, { state: 'running', opened: START_MS, closed: START_MS + 300_000 })
    assert.equal(rested?.opened, START_MS + 300_000)
  })

  test('what died with its host is paid for until the host was last heard of', async () => {
    await regionOf().sql(
      `insert into host select 'silent', accepting, draining, 0, 0, 0, 0, 0, 0, 0, 0, $1 from host where id = 'steady'`,
      [new Date(START_MS + 60_000)],
    )
    const died = await place('running', START_MS, 'silent')
    const began = await place('running', START_MS + 65_000, 'silent')
    for (const id of [died, began]) await move(id, 'error', START_MS + 200_000)
    assert.deepEqual(await intervalsOf(died), [{ state: 'running', opened: START_MS, closed: START_MS + 60_000 }])
    const [late] = await intervalsOf(began)
    assert.equal(late?.closed, late?.opened, 'never negative')
  })

  test('what is found to have ended when its host is heard of again is paid for until it was heard of before', async () => {
    const [before, again] = [START_MS + 60_000, START_MS + 3_600_000]
    await regionOf().sql(
      `insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen, away_from)
       values ('returned', false, false, 0, 0, 0, 0, $1, $2)`,
      [new Date(again), new Date(before)],
    )
    const [died, rested] = [await place('running', START_MS, 'returned'), await place('paused', START_MS, 'returned')]
    for (const id of [died, rested]) {
      await move(id, 'error', again + 500)
      assert.deepEqual((await intervalsOf(id)).at(-1)?.closed, before)
    }
    const goesOn = await place('running', START_MS, 'returned')
    await move(goesOn, 'paused', again + 500)
    assert.equal((await intervalsOf(goesOn))[0]?.closed, again + 500, 'what lives on is paid for throughout')
  })

  // A machine that is switched off for the night is heard of in the morning before anybody has seen what it lost.
  test('what ended while its host was away is paid for until it was heard of before, also when it is found out afterwards', async () => {
    const region = regionOf()
    const { host } = region
    const [died, lives] = [await create(), await create()]
    // Long enough ago to be told from the moment of the loss, and short enough to be no lost host.
    const heard = new Date(Date.now() - LIMITS.hostSilentMs - 1_000)
    await region.sql('update usage_interval set opened_at = $2 where sandbox = any($1)', [
      [died, lives],
      new Date(heard.getTime() - 5_000),
    ])
    await host.away()
    // What it said last may still be on its way into the database.
    await sleep(5 * LIMITS.hostOffersEveryMs)
    await region.sql('update host set last_seen = $1 where id = $2', [heard, host.name])
    host.vms.delete(died)
    await host.back()
    await until('the loss to be seen', async () => (await intervalsOf(died)).every(({ closed }) => closed !== null))
    assert.equal((await intervalsOf(died)).at(-1)?.closed, heard.getTime())
    await until('the host to be whole again', async () => {
      const [row] = await region.sql<{ isWhole: boolean }>(
        'select last_seen > $2 and away_from is null as "isWhole" from host where id = $1',
        [host.name, heard],
      )
      return row?.isWhole === true
    })
    assert.equal((await intervalsOf(lives)).at(-1)?.closed, null)
    const before = Date.now()
    await region.ask(`/v1/sandboxes/${lives}`, { method: 'DELETE' })
    assert.ok(
      ((await intervalsOf(lives)).at(-1)?.closed ?? 0) >= before - 1_000,
      'what lives on is paid for throughout',
    )
  })

  test('a request that is sent again, and a restart, open no second meter', async () => {
    const region = regionOf()
    const key = randomUUID()
    const send = () => region.ask('/v1/sandboxes', { method: 'POST', body: {}, headers: { 'idempotency-key': key } })
    const id = textAt((await send()).json, 'data', 'id')
    await send()
    await region.ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    await region.ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    await region.restart()
    await region.ask(`/v1/sandboxes/${id}/resume`, { method: 'POST' })
    const seen = await intervalsOf(id)
    assert.deepEqual(
      seen.map(({ state, closed }) => [state, closed === null]),
      [
        ['running', false],
        ['paused', false],
        ['running', true],
      ],
    )
  })

  test('a meter that runs for nothing is closed when what it metered ended, one that is missing is opened, and both are counted', async () => {
    const region = regionOf()
    const [ended, forgotten, unmetered] = [await create(), await create(), await create()]
    const stray = (id: string) =>
      region.sql(
        `insert into usage_interval (sandbox, tenant, state, vcpus, memory_mib, disk_mib, opened_at)
         values ($1, 'x', 'running', 1, 1, 1, now() - interval '1 hour')`,
        [id],
      )
    await region.ask(`/v1/sandboxes/${ended}`, { method: 'DELETE' })
    await stray(ended)
    await stray('sbx_forgotten')
    await region.sql('delete from usage_interval where sandbox = $1', [unmetered])
    await mend()
    const openIn = async (id: string) => (await intervalsOf(id)).filter(({ closed }) => closed === null).length
    assert.deepEqual([await openIn(ended), await openIn('sbx_forgotten'), await openIn(unmetered)], [0, 0, 1])
    assert.equal(await openIn(forgotten), 1, 'a right one is left alone')
    const [{ at } = { at: null }] = await region.sql<{ at: Date }>(
      'select destroyed_at as at from sandbox where id = $1',
      [ended],
    )
    assert.equal((await intervalsOf(ended)).at(-1)?.closed, at?.getTime())
    const [{ at: since } = { at: null }] = await region.sql<{ at: Date }>(
      'select changed_at as at from sandbox where id = $1',
      [unmetered],
    )
    assert.equal((await intervalsOf(unmetered))[0]?.opened, since?.getTime())
    assert.ok(region.logs.some(({ event }) => event === 'reconcile.meters'))
    assert.deepEqual(await mend(), { closed: 0, opened: 0 })
  })

  test('a meter that was left open is closed by the next controller, with nobody asking', async () => {
    const id = await create()
    await regionOf().sql(`alter table sandbox disable trigger user`)
    await regionOf().sql(`update sandbox set state = 'error', changed_at = now(), released_at = now() where id = $1`, [
      id,
    ])
    await regionOf().sql(`alter table sandbox enable trigger user`)
    await regionOf().restart()
    await until('its meter to be closed', async () => (await intervalsOf(id)).every(({ closed }) => closed !== null))
  })
}
