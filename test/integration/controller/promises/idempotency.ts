/** One Idempotency-Key, one sandbox, one run of the command: under races, failures and crashes. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'

export function idempotencyPromises(regionOf: () => TestRegion): void {
  const send = (path: string, idempotencyKey: string, body: object, key?: string) =>
    regionOf().ask(path, {
      method: 'POST',
      body,
      headers: { 'idempotency-key': idempotencyKey },
      ...(key === undefined ? {} : { key }),
    })

  for (const [path, body] of [
    ['/v1/sandboxes', {}],
    ['/v1/sandboxes/run', { command: 'echo once' }],
  ] as const) {
    test(`20 requests with one key to ${path} get one answer, and nothing is done twice`, async () => {
      const region = regionOf()
      region.host.slowMs = 100
      const before = region.host.vms.size
      const commands = region.host.commands.length
      const key = randomUUID()
      const answers = await Promise.all(Array.from({ length: 20 }, () => send(path, key, body)))
      region.host.slowMs = 0
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201])
      assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
      assert.equal(answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true').length, 19)
      assert.equal(region.host.vms.size, before + 1)
      assert.ok(region.host.commands.length <= commands + 1)
    })
  }

  // A repeat that was on its way for long must not wake what its sender has paused since.
  test('a resume with a key is answered once, and a late repeat wakes nothing', async () => {
    const region = regionOf()
    const path = `/v1/sandboxes/${textAt((await region.ask('/v1/sandboxes', { method: 'POST', body: {} })).json, 'data', 'id')}`
    const pause = () => region.ask(`${path}/pause`, { method: 'POST' })
    const stateOf = async () => textAt((await region.ask(path)).json, 'data', 'state')
    await pause()
    const key = randomUUID()
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(`${path}/resume`, key, {})))
    for (const { status, json } of answers) assert.deepEqual([status, textAt(json, 'data', 'state')], [200, 'running'])
    await pause()
    const late = await send(`${path}/resume`, key, {})
    assert.ok(answers.some(({ text }) => text === late.text))
    assert.deepEqual([late.status, late.headers.get('idempotent-replayed')], [200, 'true'])
    assert.equal(await stateOf(), 'paused')
    await region.sql(`update idempotency set expires_at = now() where key = $1`, [key])
    const fresh = await send(`${path}/resume`, key, {})
    assert.deepEqual([fresh.status, fresh.headers.get('idempotent-replayed')], [200, null], 'after its day it is new')
    assert.equal(await stateOf(), 'running')
    await pause()
    assert.equal((await send(`${path}/resume`, key, {})).text, fresh.text)
  })

  test('the same key with another body is refused, and is free for other tenants and routes', async () => {
    const region = regionOf()
    const key = randomUUID()
    assert.equal((await send('/v1/sandboxes', key, {})).status, 201)
    const reused = await send('/v1/sandboxes', key, { name: 'x' })
    assert.deepEqual([reused.status, textAt(reused.json, 'error', 'code')], [422, 'idempotency_key_reused'])
    const other = await region.newKey()
    const foreign = await send('/v1/sandboxes', key, {}, other.key)
    assert.deepEqual([foreign.status, foreign.headers.get('idempotent-replayed')], [201, null])
    assert.equal((await send('/v1/sandboxes/run', key, { command: 'echo 1' })).status, 201)
  })

  test('a refusal leaves no claim: the same key succeeds when there is room', async () => {
    const region = regionOf()
    const account = await region.newKey({ concurrency: 0 })
    const key = randomUUID()
    assert.equal((await send('/v1/sandboxes', key, {}, account.key)).status, 429)
    await region.sql('update tier set concurrency = 1 where name = $1', [account.tier])
    assert.equal((await send('/v1/sandboxes', key, {}, account.key)).status, 201)
  })

  test('a failure is not kept: the same key tries again after a boot that failed', async () => {
    const region = regionOf()
    const key = randomUUID()
    region.host.mishaps.push({ kind: 'fail', error: new AppError('boot_failed', 'It did not boot.') })
    assert.equal((await send('/v1/sandboxes/run', key, { command: 'echo 1' })).status, 503)
    assert.equal((await send('/v1/sandboxes/run', key, { command: 'echo 1' })).status, 201)
  })

  test('an answer that is kept is kept in part when its command said much, and says so', async () => {
    const key = randomUUID()
    const body = { command: `repeat 5000 x${'é'.repeat(20)}` }
    const first = await send('/v1/sandboxes/run', key, body)
    assert.equal(at(first.json, 'exec', 'truncated'), false, first.text.slice(0, 200))
    const again = await send('/v1/sandboxes/run', key, body)
    assert.equal(again.headers.get('idempotent-replayed'), 'true')
    assert.equal(at(again.json, 'exec', 'truncated'), true)
    const kept = textAt(again.json, 'exec', 'stdout')
    assert.ok(Buffer.byteLength(kept) <= LIMITS.keptOutputBytesMax)
    assert.ok(textAt(first.json, 'exec', 'stdout').startsWith(kept), 'cut between two characters')
    assert.deepEqual(at(again.json, 'data', 'id'), at(first.json, 'data', 'id'))
  })

  test('an error that is kept is the answer to every repeat, and says that it is one', async () => {
    const region = regionOf()
    const key = randomUUID()
    const body = { command: `sleep 5${Date.now() % 1_000}` }
    const first = send('/v1/sandboxes/run', key, body)
    const command = () => region.host.commands.find((line) => line.endsWith(body.command))
    await until('the command', () => command() !== undefined)
    const id = String(command()?.split(':')[0])
    await until(
      'the row',
      async () => (await region.sql('select from sandbox where id = $1 and state = $2', [id, 'running'])).length === 1,
    )
    Object.assign(region.host.vms.get(id) ?? {}, { state: 'paused' })
    assert.deepEqual([(await first).status, (await first).headers.get('idempotent-replayed')], [409, null])
    const again = await send('/v1/sandboxes/run', key, body)
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [409, 'true'])
    assert.deepEqual(at(again.json, 'error', 'details'), at((await first).json, 'error', 'details'))
  })

  // The one thing that a retry may never do.
  test('a command whose outcome was lost is never run again, and every retry hears so', async () => {
    const region = regionOf()
    for (const kind of ['die_before_ready', 'die_after_ready'] as const) {
      const key = randomUUID()
      const command = `echo ${key}`
      region.host.mishaps.push({ kind })
      for (let tries = 0; tries < 3; tries++) {
        const answer = await send('/v1/sandboxes/run', key, { command })
        assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [504, 'outcome_unknown'], answer.text)
        assert.equal(at(answer.json, 'error', 'details', 'idempotency_key'), key)
      }
      assert.equal(region.host.commands.filter((line) => line.endsWith(command)).length, 1)
    }
  })

  test('while the first request runs longer than anybody waits, the second is told to come again', async () => {
    const region = regionOf()
    const gate = Promise.withResolvers<void>()
    region.host.mishaps.push({ kind: 'hang', until: gate.promise })
    const key = randomUUID()
    const first = send('/v1/sandboxes', key, {})
    await until('the claim', async () => (await region.sql('select from idempotency where key = $1', [key])).length > 0)
    const second = await send('/v1/sandboxes', key, {})
    assert.deepEqual([second.status, textAt(second.json, 'error', 'code')], [409, 'idempotency_in_progress'])
    assert.ok(second.headers.get('retry-after'))
    gate.resolve()
    const third = await send('/v1/sandboxes', key, {})
    assert.equal(textAt(third.json, 'data', 'id'), textAt((await first).json, 'data', 'id'))
  })

  test('a key whose controller died before the answer was kept gives the sandbox that it made', async () => {
    const region = regionOf()
    const key = randomUUID()
    const made = await send('/v1/sandboxes', key, {})
    // As it stands when a controller was killed between the row and the answer.
    await region.sql('update idempotency set status = null, response = null, instance = 2000000 where key = $1', [key])
    const again = await send('/v1/sandboxes', key, {})
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true'], again.text)
    assert.equal(textAt(again.json, 'data', 'id'), textAt(made.json, 'data', 'id'))
  })

  test('a key whose controller died before the machine ran is free for one that runs', async () => {
    const region = regionOf()
    const key = randomUUID()
    const made = await send('/v1/sandboxes', key, {})
    const id = textAt(made.json, 'data', 'id')
    region.host.vms.delete(id)
    await region.sql('update idempotency set status = null, response = null, instance = 2000000 where key = $1', [key])
    await region.sql(
      `update sandbox set state = 'creating', ready_at = null, instance = 2000000, changed_at = now() - interval '1 minute' where id = $1`,
      [id],
    )
    const again = await send('/v1/sandboxes', key, {})
    assert.equal(again.status, 201, again.text)
    assert.notEqual(textAt(again.json, 'data', 'id'), id)
    const [row] = await region.sql<{ state: string }>('select state from sandbox where id = $1', [id])
    assert.equal(row?.state, 'error')
  })

  test('keys are forgotten after their day', async () => {
    const region = regionOf()
    const key = randomUUID()
    await send('/v1/sandboxes', key, {})
    await region.sql(`update idempotency set expires_at = now() - interval '1 second' where key = $1`, [key])
    await until(
      'the sweep',
      async () => (await region.sql('select from idempotency where key = $1', [key])).length === 0,
    )
    const fresh = await send('/v1/sandboxes', key, {})
    assert.equal(fresh.headers.get('idempotent-replayed'), null)
    assert.ok(at(fresh.json, 'data'))
  })
}
