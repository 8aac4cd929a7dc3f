/** A database that is away for a while: clear words, no wrong answer, and no restart afterwards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestServer } from '../support/databases.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'

export function databasePromises(regionOf: () => TestRegion, serverOf: () => TestServer): void {
  test('while the database is away every request says so, and when it is back all is as it was', async () => {
    const region = regionOf()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', body: {} })
    const path = `/v1/sandboxes/${textAt(made.json, 'data', 'id')}`
    await serverOf().stop()
    try {
      for (const [method, target, body] of [
        ['POST', '/v1/sandboxes', {}],
        ['POST', '/v1/sandboxes/run', { command: 'echo 1' }],
        ['GET', path, undefined],
        ['GET', '/v1/sandboxes', undefined],
        ['POST', `${path}/exec`, { command: 'echo 1' }],
        ['DELETE', path, undefined],
      ] as const) {
        const answer = await region.ask(target, { method, body })
        assert.deepEqual(
          [answer.status, textAt(answer.json, 'error', 'code')],
          [503, 'database_unavailable'],
          answer.text,
        )
        assert.ok(answer.headers.get('retry-after'))
      }
      assert.equal((await region.ask('/readyz', { key: null })).status, 503)
      assert.equal((await region.ask('/healthz', { key: null })).status, 200)
      await sleep(2_000)
    } finally {
      await serverOf().start()
    }
    await until('the region to be ready', async () => (await region.ask('/readyz', { key: null })).status === 200)
    const got = await region.ask(path)
    assert.equal(at(got.json, 'data', 'state'), 'running')
    assert.equal((await region.ask('/v1/sandboxes', { method: 'POST', body: {} })).status, 201)
    // Its proof of life must be back too, or others would take its work for orphaned.
    await until('the instance to be known as alive', async () => {
      const number = region.running.controller.instance.number
      const [row] = await region.sql<{ alive: boolean }>('select instance_alive($1) as alive', [number])
      return row?.alive === true
    })
  })
}
