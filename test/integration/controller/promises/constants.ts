/** What stands both in SQL and in TypeScript says the same in both. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOCKS } from '../../../../origin/controller/database/locks.ts'
import { COUNTED, ENDED, LIVE, STATES } from '../../../../shared/lifecycle.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { TestRegion } from '../support/region.ts'

export function constantPromises(regionOf: () => TestRegion): void {
  const ask = async <Value>(sql: string, values: unknown[] = []): Promise<Value | undefined> =>
    (await regionOf().sql<{ value: Value }>(`select ${sql} as value`, values))[0]?.value

  // Who starts one pays from its first moment of running, and for its memory and disk while it is paused.
  test('what is metered is what is live and has run', async () => {
    for (const state of STATES) {
      const isStarting = state === 'creating' || state === 'provisioning'
      const wanted = !LIVE.has(state) || isStarting ? null : COUNTED.has(state) ? 'running' : 'paused'
      assert.equal(await ask('metered_as($1)', [state]), wanted, state)
    }
  })

  test('a machine is not paid for after its host was last heard of, from the silence on that is an absence', async () => {
    const at = '2026-01-01T00:00:00.000Z'
    for (const [silentMs, isLost] of [
      [LIMITS.hostSilentMs, false],
      [LIMITS.hostSilentMs + 1, true],
    ] as const) {
      const seen = new Date(Date.parse(at) - silentMs)
      await regionOf().sql(
        `insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
         values ('silent', false, false, 0, 0, 0, 0, $1) on conflict (id) do update set last_seen = excluded.last_seen`,
        [seen],
      )
      const until = await ask<Date>(`metered_until('silent', $1::timestamptz)`, [at])
      assert.equal(until?.toISOString(), isLost ? seen.toISOString() : at)
    }
  })

  test('a name is free again in the states that are ended', async () => {
    const index = await ask<string>(`pg_get_indexdef('sandbox_name'::regclass)`)
    const states = STATES.filter((state) => index?.includes(`'${state}'`))
    assert.deepEqual(new Set(states), ENDED)
  })

  test('a controller is alive while it holds the lock of its number', async () => {
    const { number } = regionOf().running.controller.instance
    assert.equal(await ask('instance_alive($1)', [number]), true)
    assert.equal(await ask('instance_alive($1)', [number + 1_000]), false)
    const held = await ask<boolean>(
      `exists (select from pg_locks where locktype = 'advisory' and classid = $1 and objid = $2)`,
      [LOCKS.instance, number],
    )
    assert.equal(held, true)
  })
}
