/** A database that is away for a while: clear words, no wrong answer, and no restart afterwards. */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { TestServer } from '../support/databases.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'

export function databasePromises(regionOf: () => TestRegion, serverOf: () => TestServer): void {
  // The process would end with all that it was doing.
  test('a connection that is lost in the middle of a transaction fails that transaction and nothing else', async () => {
    const { db } = regionOf().running.controller.database
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.execute(sql`select pg_terminate_backend(pg_backend_pid())`)
      }),
    )
    assert.equal((await regionOf().ask('/v1/sandboxes')).status, 200)
  })

  // Each would be one fewer for the rest of this process's life, and a stop would wait for it for ever.
  test('a transaction whose connection is lost before it begins gives the connection back', async () => {
    const { db, pool } = regionOf().running.controller.database
    const connect = pool.connect.bind(pool)
    const losing = mock.method(pool, 'connect', async () => {
      losing.mock.restore()
      const client = await connect()
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      const ended = new Promise((resolve) => client.once('end', resolve))
      await regionOf().sql('select pg_terminate_backend($1)', [rows[0]?.pid])
      await ended
      return client
    })
    await assert.rejects(db.transaction(async (tx) => void (await tx.execute(sql`select 1`))))
    await until('every connection to be idle', () => pool.totalCount === pool.idleCount)
  })

  test('while the database is away every request says so, and when it is back all is as it was', async () => {
    const region = regionOf()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', body: {} })
    const path = `/v1/sandboxes/${textAt(made.json, 'data', 'id')}`
    const stranger = await region.newKey()
    await region.ask(path)
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
        const code = textAt(answer.json, 'error', 'code')
        // A key is remembered for seconds; once it has to be looked up again, nothing of any request has begun.
        const isBegun = code === 'database_unavailable'
        assert.ok(isBegun || code === 'region_unavailable', answer.text)
        assert.ok(!(isBegun && body !== undefined && !target.includes(path)), `nothing is made: ${answer.text}`)
        assert.deepEqual([answer.status, answer.headers.get('x-not-executed')], [503, isBegun ? null : '1'])
        assert.ok(answer.headers.get('retry-after'))
      }
      // A key that is not remembered cannot be looked up, so nothing of the request has begun.
      for (const [method, target] of [
        ['POST', '/v1/sandboxes'],
        ['GET', path],
      ] as const) {
        const answer = await region.ask(target, {
          method,
          key: stranger.key,
          ...(method === 'POST' ? { body: {} } : {}),
        })
        assert.deepEqual(
          [answer.status, textAt(answer.json, 'error', 'code'), answer.headers.get('x-not-executed')],
          [503, 'region_unavailable', '1'],
        )
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
  test('a create whose statement was sent before the connection broke may have happened, and no region is told otherwise', async () => {
    const region = regionOf()
    const { pool } = region.running.controller.database
    const holder = await pool.connect()
    holder.on('error', () => {})
    try {
      await holder.query('begin; lock table sandbox in access exclusive mode')
      const making = region.ask('/v1/sandboxes', { method: 'POST', body: {} })
      await until('the statement to wait', async () => {
        const waiting = await region.sql(
          `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%admit_sandbox%'`,
        )
        return waiting.length === 1
      })
      await serverOf().stop()
      const answer = await making
      assert.deepEqual(
        [answer.status, textAt(answer.json, 'error', 'code'), answer.headers.get('x-not-executed')],
        [503, 'database_unavailable', null],
      )
    } finally {
      holder.release(true)
      await serverOf().start()
    }
    await until('creates to work', async () => {
      return (await region.ask('/v1/sandboxes', { method: 'POST', body: {} })).status === 201
    })
  })
}
