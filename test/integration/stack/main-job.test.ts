/** What a person does: one command to start, one curl line, and everything a sandbox is for. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { parseId } from '../../../shared/ids.ts'
import { type Api, apiAt, errorCode, output, record } from '../../harness/api.ts'
import { type LocalStack, removeStack, startLocalStack, waitFor } from '../../harness/local-stack.ts'

let stack: LocalStack
let edge: Api
let usw1: Api
let eu1: Api

before(async () => {
  stack = await startLocalStack({ env: { ATOLL_POOL_SIZE: '2' } })
  const { edge: url, regions, api_key } = stack.dev()
  edge = apiAt(url, api_key)
  usw1 = apiAt(regions.usw1 ?? '', api_key)
  eu1 = apiAt(regions.eu1 ?? '', api_key)
})
after(async () => {
  await stack.stop()
  await removeStack(stack)
})

test('the printed curl line is answered in the promised shape, from a warm machine', async () => {
  assert.match(stack.output(), /curl -s .*\/v1\/sandboxes\/run/)
  const answer = await edge('/v1/sandboxes/run', { body: { command: 'echo $((1+1))' } })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  assert.equal(output(answer).stdout, '2\n')
  assert.equal(output(answer).stderr, '')
  assert.equal(output(answer).exit_code, 0)
  assert.equal(typeof output(answer).duration_ms, 'number')
  const { id, state, template_id, boot_ms, boot_path } = record(answer)
  assert.ok(parseId(id, 'sbx'))
  assert.equal(state, 'running')
  assert.equal(template_id, 'default')
  assert.equal(boot_path, 'warm')
  assert.equal(typeof boot_ms, 'number')
  assert.equal(typeof answer.body.timings?.server_wait_and_exec_ms, 'number')
  assert.match(String(answer.headers['server-timing']), /total;dur=/)
  assert.ok(answer.headers['x-region'])
  assert.ok(answer.headers['x-request-id'])
  assert.equal((await edge(`/v1/sandboxes/${id}`, { method: 'DELETE' })).status, 204)
})

test('a sandbox lives from create to destroy, by /api/v1 as by /v1, and is gone afterwards', async () => {
  const made = await edge('/api/v1/sandboxes', {
    body: { name: 'lifecycle', env: { GREETING: 'hello' }, tags: ['a', 'b'] },
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const { id } = record(made)
  const told = await edge(`/v1/sandboxes/${id}/exec`, {
    body: { command: 'echo $GREETING > note; cat note; pwd; id -un; exit 3' },
  })
  assert.deepEqual([output(told).stdout, output(told).exit_code], ['hello\n/workspace\nsandbox\n', 3])
  assert.equal(record(await edge(`/v1/sandboxes/${id}`)).state, 'running')
  assert.equal(record(await edge('/v1/sandboxes/lifecycle')).id, id)
  const listed = await edge('/v1/sandboxes?tags=a,b')
  assert.deepEqual(
    (listed.body.data as { id: string }[]).map((one) => one.id),
    [id],
  )
  assert.equal((await edge(`/v1/sandboxes/${id}`, { method: 'DELETE' })).status, 204)
  for (const call of [edge(`/v1/sandboxes/${id}`), edge(`/v1/sandboxes/${id}/exec`, { body: { command: 'true' } })]) {
    assert.equal((await call).status, 404)
  }
})

test('a paused sandbox keeps its files and processes, and wakes for a command', async () => {
  const { id } = record(await edge('/v1/sandboxes', { body: {} }))
  await edge(`/v1/sandboxes/${id}/exec`, { body: { command: 'echo kept > note; (sleep 1000 >/dev/null 2>&1 &)' } })
  assert.equal(record(await edge(`/v1/sandboxes/${id}/pause`, { method: 'POST' })).state, 'paused')
  const woken = await edge(`/v1/sandboxes/${id}/exec`, { body: { command: 'cat note; pgrep -c sleep' } })
  assert.equal(output(woken).stdout, 'kept\n1\n')
  assert.equal(record(await edge(`/v1/sandboxes/${id}`)).state, 'running')
  await edge(`/v1/sandboxes/${id}`, { method: 'DELETE' })
})

describe('regions', () => {
  test('a pinned region serves the request, by header, by path and by its own URL', async () => {
    const answers = [
      await edge('/v1/sandboxes', { body: {}, headers: { 'x-region': 'eu1' } }),
      await edge('/v1/sandboxes', { body: {}, headers: { 'x-region': 'eu' } }),
      await edge('/r/eu1/v1/sandboxes', { body: {} }),
      await eu1('/v1/sandboxes', { body: {} }),
    ]
    for (const answer of answers) {
      assert.equal(answer.status, 201, JSON.stringify(answer.body))
      assert.equal(parseId(record(answer).id)?.region, 'eu1')
      assert.equal(answer.headers['x-region'], 'eu1')
      assert.equal((await edge(`/v1/sandboxes/${record(answer).id}`, { method: 'DELETE' })).status, 204)
    }
  })

  test('a list through the edge has the sandboxes of every region', async () => {
    const [west, east] = await Promise.all([usw1('/v1/sandboxes', { body: {} }), eu1('/v1/sandboxes', { body: {} })])
    const ids = ((await edge('/v1/sandboxes')).body.data as { id: string }[]).map((one) => one.id)
    for (const made of [west, east]) {
      assert.ok(ids.includes(record(made).id))
      await edge(`/v1/sandboxes/${record(made).id}`, { method: 'DELETE' })
    }
  })

  test('an unknown region is refused with the known ones', async () => {
    const answer = await edge('/v1/sandboxes', { body: {}, headers: { 'x-region': 'mars' } })
    assert.equal(answer.status, 400)
    assert.equal(errorCode(answer), 'unknown_region')
    assert.match(JSON.stringify(answer.body), /usw1.*eu1/)
  })
})

describe('bad input costs nothing and says what to do', () => {
  const bodies: [
    what: string,
    path: string,
    call: { body?: unknown; rawBody?: string },
    status: number,
    code: string,
  ][] = [
    ['malformed JSON', '/v1/sandboxes', { rawBody: '{"a":' }, 400, 'invalid_json'],
    ['a list instead of an object', '/v1/sandboxes/run', { body: [] }, 400, 'invalid_json'],
    ['a wrong type', '/v1/sandboxes/run', { body: { command: 7 } }, 422, 'invalid_request'],
    ['no command', '/v1/sandboxes/run', { body: {} }, 422, 'invalid_request'],
    ['an empty command', '/v1/sandboxes/run', { body: { command: '' } }, 422, 'invalid_request'],
    ['a command of 1 MB', '/v1/sandboxes/run', { body: { command: 'x'.repeat(1_000_000) } }, 422, 'invalid_request'],
    ['a body of 5 MB', '/v1/sandboxes', { body: { name: 'x'.repeat(5_000_000) } }, 413, 'body_too_large'],
    ['a size out of range', '/v1/sandboxes', { body: { cpu_count: 17 } }, 422, 'invalid_request'],
    ['a timeout of 0', '/v1/sandboxes', { body: { timeout_sec: 0 } }, 422, 'invalid_request'],
    ['a timeout of a day and a second', '/v1/sandboxes', { body: { timeout_sec: 86_401 } }, 422, 'invalid_request'],
    ['an unknown template', '/v1/sandboxes', { body: { template_id: 'nope' } }, 422, 'template_not_found'],
  ]
  for (const [what, path, call, status, code] of bodies) {
    test(`${what}: ${status} ${code}, at the edge and at the region`, async () => {
      for (const api of [edge, usw1]) {
        const answer = await api(path, call)
        assert.deepEqual([answer.status, errorCode(answer)], [status, code], JSON.stringify(answer.body))
        assert.ok(answer.body.error?.next)
        assert.equal(answer.body.request_id, answer.headers['x-request-id'])
      }
    })
  }

  test('a missing, mistyped or unknown key is a 401 everywhere', async () => {
    const { api_key } = stack.dev()
    const mistyped = api_key.slice(0, -1) + (api_key.endsWith('0') ? '1' : '0')
    for (const api of [edge, usw1]) {
      const codes = await Promise.all(
        [null, 'nonsense', mistyped].map(async (key) => {
          const answer = await api('/v1/sandboxes', { body: {}, key })
          assert.equal(answer.status, 401)
          return errorCode(answer)
        }),
      )
      assert.deepEqual(codes, ['missing_token', 'invalid_token', 'invalid_token'])
    }
  })

  test('a foreign, mistyped or nonsense id is a 404', async () => {
    const foreign = 'sbx_zz9_01k2v5w9m3q8r7t6y4z2a1b0c9000'
    for (const api of [edge, usw1]) {
      for (const id of [foreign, 'nonsense', '..%2f..%2fetc']) {
        assert.equal((await api(`/v1/sandboxes/${id}`)).status, 404, id)
        assert.equal((await api(`/v1/sandboxes/${id}/exec`, { body: { command: 'true' } })).status, 404, id)
      }
    }
  })

  test('none of it made a sandbox', async () => {
    assert.deepEqual((await edge('/v1/sandboxes')).body.data, [])
  })
})

describe('a command misbehaves', () => {
  test('output without end is cut and says so, and the sandbox goes on', async () => {
    const { id } = record(await edge('/v1/sandboxes', { body: {} }))
    const flood = await edge(`/v1/sandboxes/${id}/exec`, {
      body: { command: 'head -c 20000000 /dev/zero | tr "\\0" x; echo end >&2' },
    })
    assert.equal(flood.status, 200, JSON.stringify(flood.body).slice(0, 300))
    assert.equal(output(flood).truncated, true)
    assert.equal(output(flood).stderr, 'end\n')
    assert.equal(output(flood).exit_code, 0)
    await edge(`/v1/sandboxes/${id}`, { method: 'DELETE' })
  })

  test('a command that never ends is ended by its timeout with 124', async () => {
    const answer = await edge('/v1/sandboxes/run', { body: { command: 'echo begun; sleep 1000', timeout: 3 } })
    assert.deepEqual(
      [output(answer).stdout, output(answer).exit_code, output(answer).reason],
      ['begun\n', 124, 'timeout'],
    )
    await edge(`/v1/sandboxes/${record(answer).id}`, { method: 'DELETE' })
  })

  // A fork bomb and a killer of PID 1 are what a hostile user tries first; the neighbour must not notice.
  test('a fork bomb and an attack on the agent cost their own sandbox and nothing else', async () => {
    const [victim, neighbour] = [
      record(await usw1('/v1/sandboxes', { body: {} })),
      record(await usw1('/v1/sandboxes', { body: {} })),
    ]
    const attacks = ['sudo kill -9 1; sudo pkill -9 agent; true', ':(){ :|:& };:']
    for (const command of attacks) await usw1(`/v1/sandboxes/${victim.id}/exec`, { body: { command, timeout: 2 } })
    const calm = await usw1(`/v1/sandboxes/${neighbour.id}/exec`, { body: { command: 'echo calm' } })
    assert.equal(output(calm).stdout, 'calm\n')
    for (const { id } of [victim, neighbour])
      assert.equal((await usw1(`/v1/sandboxes/${id}`, { method: 'DELETE' })).status, 204)
  })
})

test('a timeout pauses a persistent sandbox and destroys another kind', async () => {
  const [kept, thrown] = await Promise.all([
    edge('/v1/sandboxes', { body: { timeout_sec: 1 } }),
    edge('/v1/sandboxes', { body: { timeout_sec: 1, persistent: false } }),
  ])
  await waitFor('both timeouts', 60_000, async () => {
    const [first, second] = await Promise.all([kept, thrown].map((made) => edge(`/v1/sandboxes/${record(made).id}`)))
    return first !== undefined && record(first).state === 'paused' && second?.status === 404
  })
  await edge(`/v1/sandboxes/${record(kept).id}`, { method: 'DELETE' })
})

// An agent that gave its sandbox too little time must hear so at once, and find its work where it stood.
test('a run whose time is over is answered at once; a sandbox that is kept goes on with its command when it is woken', async () => {
  const [late, thrown] = await Promise.all([
    edge('/v1/sandboxes/run', { body: { command: 'sleep 5; echo late > late', timeout_sec: 2 } }),
    edge('/v1/sandboxes/run', { body: { command: 'sleep 30', timeout_sec: 2, persistent: false } }),
  ])
  for (const answer of [late, thrown]) assert.ok(answer.ms < 25_000, `${answer.ms} ms`)
  assert.deepEqual([late.status, errorCode(late)], [409, 'sandbox_paused'], JSON.stringify(late.body))
  assert.deepEqual([thrown.status, errorCode(thrown)], [410, 'sandbox_expired'], JSON.stringify(thrown.body))
  assert.equal((await edge(`/v1/sandboxes/${thrown.body.error?.details?.sandbox_id}`)).status, 404)

  const path = `/v1/sandboxes/${late.body.error?.details?.sandbox_id}`
  assert.equal(record(await edge(path)).state, 'paused')
  // Every wake gives it two seconds more, so a look may be stopped like the command before it.
  await waitFor('the command to end', 60_000, async () => {
    const look = await edge(`${path}/exec`, { body: { command: 'cat late' } })
    assert.ok(look.status === 200 || errorCode(look) === 'sandbox_paused', JSON.stringify(look.body))
    return look.status === 200 && output(look).stdout === 'late\n'
  })
  await edge(path, { method: 'DELETE' })
})

test('a pause answers the command that waits at once, and the command goes on when the sandbox is woken', async () => {
  const path = `/v1/sandboxes/${record(await edge('/v1/sandboxes', { body: {} })).id}`
  const asked = edge(`${path}/exec`, { body: { command: 'touch begun; sleep 4; echo on > on', timeout: 60 } })
  await edge(`${path}/exec`, { body: { command: 'until [ -e begun ]; do sleep 0.1; done' } })
  assert.equal(record(await edge(`${path}/pause`, { method: 'POST' })).state, 'paused')
  const answer = await asked
  assert.deepEqual([answer.status, errorCode(answer)], [409, 'sandbox_paused'], JSON.stringify(answer.body))
  assert.ok(answer.ms < 30_000, `${answer.ms} ms`)
  const woken = await edge(`${path}/exec`, { body: { command: 'until [ -s on ]; do sleep 0.1; done; cat on' } })
  assert.equal(output(woken).stdout, 'on\n', JSON.stringify(woken.body))
  await edge(path, { method: 'DELETE' })
})

test('one idempotency key makes one sandbox, however often it is sent', async () => {
  const call = {
    body: { command: 'date +%N' },
    headers: { 'idempotency-key': `test-${process.pid}`, 'x-region': 'usw1' },
  }
  const answers = await Promise.all([1, 2, 3].map(() => edge('/v1/sandboxes/run', call)))
  assert.equal(new Set(answers.map((answer) => record(answer).id)).size, 1)
  assert.equal(new Set(answers.map((answer) => output(answer).stdout)).size, 1)
  const other = await edge('/v1/sandboxes/run', { ...call, body: { command: 'date' } })
  assert.equal(errorCode(other), 'idempotency_key_reused')
  await edge(`/v1/sandboxes/${record(answers[0] as (typeof answers)[0]).id}`, { method: 'DELETE' })
})
