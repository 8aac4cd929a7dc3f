/** What a caller sees: shapes, headers, and a right refusal for every wrong request. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { runAnswer, sandboxRecord } from '../../../../shared/contracts/sandbox-records.ts'
import { EDGE_TOKEN } from '../../../../shared/edge-token.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { regionCapacitySchema } from '../../../../shared/regions.ts'
import { type Ask, at, edgeToken, INTERNAL, OPERATOR, type TestRegion, textAt, until } from '../support/region.ts'

/** A neighbour, as far as callers are told. */
export const REQUESTS_ENV = {
  ATOLL_REGIONS: JSON.stringify([
    { code: 'usw1', name: 'us-west', url: null },
    { code: 'eu1', name: 'eu', url: 'https://eu.example' },
  ]),
}

export function requestPromises(regionOf: () => TestRegion): void {
  test('run answers with the record, the command and where the time went', async () => {
    const region = regionOf()
    const answer = await region.ask('/v1/sandboxes/run', { method: 'POST', body: { command: 'echo 2' } })
    assert.equal(answer.status, 201, answer.text)
    const { data, exec, timings } = runAnswer.parse(answer.json)
    assert.equal(exec.stdout, '2\n')
    assert.equal(exec.exit_code, 0)
    assert.deepEqual([data.state, data.boot_path, data.boot_ms], ['running', 'warm', 7])
    assert.ok(timings.server_wait_and_exec_ms !== undefined)
    assert.match(
      answer.headers.get('server-timing') ?? '',
      /auth;dur=.*admit;dur=.*host;dur=.*exec;dur=.*commit;dur=.*total;dur=/,
    )
  })

  test('create, get by id and by name, list, pause, resume, exec and destroy speak the contract', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const body = { name: 'life of one', tags: ['a', 'b'], metadata: { n: 1 }, external_user_id: 'u1' }
    const made = await region.ask('/api/v1/sandboxes', { method: 'POST', key, body })
    assert.equal(made.status, 201, made.text)
    const record = sandboxRecord.parse(at(made.json, 'data'))
    assert.deepEqual(
      [record.state, record.size, record.persistent, record.timeout_sec],
      ['running', 'small', true, 300],
    )
    const path = `/v1/sandboxes/${record.id}`

    for (const reference of [record.id, encodeURIComponent('life of one')]) {
      const got = await region.ask(`/v1/sandboxes/${reference}`, { key })
      assert.equal(textAt(got.json, 'data', 'id'), record.id)
    }
    const listed = await region.ask('/v1/sandboxes?tags=a,b&external_user_id=u1&state=running', { key })
    assert.deepEqual(at(listed.json, 'data', 'length'), 1)
    const none = await region.ask('/v1/sandboxes?tags=a,c', { key })
    assert.deepEqual(at(none.json, 'data'), [])

    for (const verb of ['pause', 'pause']) {
      const paused = await region.ask(`${path}/${verb}`, { method: 'POST', key, body: {} })
      assert.deepEqual([paused.status, at(paused.json, 'data', 'state')], [200, 'paused'])
    }
    const ran = await region.ask(`${path}/exec`, { method: 'POST', key, body: { command: 'exit 3' } })
    assert.deepEqual([ran.status, at(ran.json, 'data', 'exit_code')], [200, 3])
    const awake = await region.ask(path, { key })
    assert.equal(at(awake.json, 'data', 'state'), 'running', 'a paused sandbox wakes by itself')
    const resumed = await region.ask(`${path}/resume`, { method: 'POST', key })
    assert.deepEqual([resumed.status, at(resumed.json, 'data', 'state')], [200, 'running'])

    const destroyed = await region.ask(path, { method: 'DELETE', key })
    assert.deepEqual([destroyed.status, destroyed.text], [204, ''])
    for (const method of ['GET', 'DELETE']) assert.equal((await region.ask(path, { method, key })).status, 404)
    const gone = await region.ask('/v1/sandboxes?state=destroyed', { key })
    assert.equal(textAt(gone.json, 'data', '0', 'id'), record.id)
  })

  test('a list is cut by limit and goes on by its cursor, newest first', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    for (let n = 0; n < 5; n++) await region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })
    const ids: string[] = []
    let cursor = ''
    do {
      const page = await region.ask(`/v1/sandboxes?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`, { key })
      assert.equal(page.status, 200, page.text)
      ids.push(...(at(page.json, 'data') as { id: string }[]).map(({ id }) => id))
      cursor = page.json.next_cursor === null ? '' : textAt(page.json, 'next_cursor')
    } while (cursor !== '')
    assert.equal(new Set(ids).size, 5)
    assert.deepEqual(ids, ids.toSorted().toReversed())
  })

  const POST = { method: 'POST' } as const
  const wrong: [string, string, Ask, number, string][] = [
    ['malformed JSON', '/v1/sandboxes', { ...POST, raw: '{"name":' }, 400, 'invalid_json'],
    ['a body that is no object', '/v1/sandboxes', { ...POST, raw: '[1]' }, 400, 'invalid_json'],
    [
      'bytes that are not UTF-8',
      '/v1/sandboxes',
      { ...POST, raw: new Uint8Array([123, 255, 125]) },
      400,
      'invalid_json',
    ],
    [
      'a packed body',
      '/v1/sandboxes',
      { ...POST, raw: gzipSync('{}'), headers: { 'content-encoding': 'gzip' } },
      415,
      'encoding_not_taken',
    ],
    ['a wrong type', '/v1/sandboxes', { ...POST, body: { name: 7 } }, 422, 'invalid_request'],
    ['a size that does not exist', '/v1/sandboxes', { ...POST, body: { size: 'xxl' } }, 422, 'invalid_request'],
    ['too little memory', '/v1/sandboxes', { ...POST, body: { memory_mb: 1 } }, 422, 'invalid_request'],
    ['a timeout out of range', '/v1/sandboxes', { ...POST, body: { timeout_sec: 0 } }, 422, 'invalid_request'],
    ['an unknown template', '/v1/sandboxes', { ...POST, body: { template: 'nope' } }, 422, 'template_not_found'],
    ['another region', '/v1/sandboxes', { ...POST, body: { region: 'mars' } }, 400, 'unknown_region'],
    ['a region that is not this one', '/v1/sandboxes', { ...POST, body: { region: 'eu' } }, 400, 'region_mismatch'],
    ['NUL in metadata', '/v1/sandboxes', { ...POST, raw: '{"metadata":{"a":["\\u0000"]}}' }, 422, 'invalid_request'],
    [
      'metadata nested without end',
      '/v1/sandboxes',
      { ...POST, raw: `{"metadata":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}` },
      422,
      'invalid_request',
    ],
    ['half a surrogate pair', '/v1/sandboxes', { ...POST, raw: '{"tags":["\\ud800"]}' }, 422, 'invalid_request'],
    ['an empty command', '/v1/sandboxes/run', { ...POST, body: { command: '' } }, 422, 'invalid_request'],
    ['no command', '/v1/sandboxes/run', { ...POST, body: {} }, 422, 'invalid_request'],
    [
      'a command of 1 MB',
      '/v1/sandboxes/run',
      { ...POST, body: { command: 'x'.repeat(1_000_000) } },
      422,
      'invalid_request',
    ],
    [
      'a body that is too big',
      '/v1/sandboxes',
      { ...POST, raw: ' '.repeat(LIMITS.bodyBytesMax + 1) },
      413,
      'body_too_large',
    ],
    ['a mistyped id', '/v1/sandboxes/sbx_usw1_01k2v5w9m3q8r7t6y4z2a1b0c9xyz', {}, 404, 'sandbox_not_found'],
    ['an unknown name', '/v1/sandboxes/nobody', {}, 404, 'sandbox_not_found'],
    ['NUL in a name', '/v1/sandboxes/a%00b', {}, 404, 'sandbox_not_found'],
    ['NUL in a filter', '/v1/sandboxes?tags=a%00b', {}, 422, 'invalid_request'],
    ['a cursor that is none', '/v1/sandboxes?cursor=x', {}, 422, 'invalid_request'],
    ['an unknown state', '/v1/sandboxes?state=asleep', {}, 422, 'invalid_request'],
    ['an unknown route', '/v1/nothing', {}, 404, 'route_not_found'],
    ['a wrong method', '/v1/sandboxes', { method: 'PUT' }, 405, 'method_not_allowed'],
    [
      'an idempotency key that is too long',
      '/v1/sandboxes',
      { ...POST, body: {}, headers: { 'idempotency-key': 'k'.repeat(256) } },
      400,
      'invalid_header',
    ],
    ['no key', '/v1/sandboxes', { key: null }, 401, 'missing_token'],
    ['another scheme', '/v1/sandboxes', { key: null, headers: { authorization: 'Basic eDp5' } }, 401, 'invalid_token'],
    ['a mistyped key', '/v1/sandboxes', { key: 'atl_test_0' }, 401, 'invalid_token'],
  ]
  for (const [what, path, ask, status, code] of wrong)
    test(`${what} is refused with ${status} ${code}, and nothing is made`, async () => {
      const region = regionOf()
      const before = await region.sql('select from sandbox')
      const answer = await region.ask(path, ask)
      assert.equal(answer.status, status, answer.text)
      assert.equal(textAt(answer.json, 'error', 'code'), code)
      assert.equal(answer.json.ok, false)
      const requestId = answer.headers.get('x-request-id')
      assert.ok(requestId)
      assert.equal(textAt(answer.json, 'request_id'), requestId)
      assert.ok(textAt(answer.json, 'error', 'next').length > 10)
      assert.deepEqual(await region.sql('select from sandbox'), before)
    })

  test('a refusal names fields and not what the caller wrote, and stays small', async () => {
    const env = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`my secret ${n}`, 'x']))
    const body = { command: 'echo 1', env, args: Array.from({ length: 1_000 }, () => 1) }
    const answer = await regionOf().ask('/v1/sandboxes/run', { method: 'POST', body })
    assert.equal(answer.status, 422)
    assert.ok(!answer.text.includes('my secret'))
    assert.ok(answer.text.length < 4_096, `${answer.text.length} characters`)
  })

  test('a caller who leaves in the middle of a body is no failure of ours', async () => {
    const region = regionOf()
    const hungUp = () =>
      region.logs.filter(
        ({ event, fields }) => event === 'request' && JSON.stringify(fields).includes('"hung_up":true'),
      )
    const before = hungUp().length
    const { hostname, port } = new URL(region.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const head = `POST /v1/sandboxes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${region.key}\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n`
    socket.write(head)
    const [asked] = await once(socket, 'data')
    assert.match(String(asked), /^HTTP\/1.1 100 /)
    socket.write('{')
    socket.resetAndDestroy()
    await until('it to be recorded', () => hungUp().length > before)
    assert.deepEqual(
      hungUp().map(({ level }) => level),
      hungUp().map(() => 'info'),
    )
  })

  test('headers that are too large, and what is no request, are refused in the form of every other refusal', async () => {
    const { hostname, port } = new URL(regionOf().url)
    for (const [sent, status, code] of [
      [`GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
      ['nonsense\r\n\r\n', 400, 'malformed_request'],
    ] as const) {
      const socket = connect(Number(port), hostname)
      socket.end(sent)
      const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
      assert.match(head, new RegExp(`^HTTP/1.1 ${status} .*x-origin: 1`, 's'))
      assert.equal(textAt(JSON.parse(body), 'error', 'code'), code)
    }
  })

  test('a wrong method is told the right ones, and HEAD is as good as GET', async () => {
    const region = regionOf()
    for (const [path, allow] of [
      ['/v1/sandboxes', 'POST, GET, HEAD'],
      ['/api/v1/sandboxes/run', 'POST'],
      ['/v1/sandboxes/x/exec', 'POST'],
      ['/v1/capacity', 'GET, HEAD'],
      ['/healthz', 'GET, HEAD'],
    ] as const) {
      const refused = await region.ask(path, { method: 'PUT' })
      assert.deepEqual([refused.status, refused.headers.get('allow')], [405, allow], path)
    }
    const head = await fetch(`${region.url}/v1/sandboxes`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${region.key}` },
    })
    assert.deepEqual([head.status, await head.text()], [200, ''])
  })

  test('unknown fields are ignored, and every answer carries its headers', async () => {
    const region = regionOf()
    const answer = await region.ask('/v1/sandboxes', { method: 'POST', body: { wait: true, no_such_field: 1 } })
    assert.equal(answer.status, 201, answer.text)
    for (const name of ['x-request-id', 'x-region-load', 'server-timing']) assert.ok(answer.headers.get(name), name)
    assert.deepEqual([answer.headers.get('x-region'), answer.headers.get('x-origin')], ['usw1', '1'])
  })

  test('an alias is its template, and the error for an unknown one lists what there is', async () => {
    const region = regionOf()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', body: { template_id: 'miosa-sandbox' } })
    assert.equal(at(made.json, 'data', 'template_id'), 'default')
    const refused = await region.ask('/v1/sandboxes', { method: 'POST', body: { image: 'nope' } })
    assert.deepEqual(at(refused.json, 'error', 'details', 'templates'), [
      'base',
      'code-interpreter-v1',
      'default',
      'miosa-sandbox',
      'python-datasci',
    ])
  })

  test('raw numbers make a machine, and missing ones come from the default size', async () => {
    const region = regionOf()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', body: { memory_mb: 1_024 } })
    const record = sandboxRecord.parse(at(made.json, 'data'))
    assert.deepEqual(
      [record.size, record.cpu_count, record.memory_mb, record.disk_size_mb],
      ['custom', 2, 1_024, 20_480],
    )
  })

  test('capacity is for those who run the service, and for no tenant', async () => {
    const region = regionOf()
    for (const key of [INTERNAL, OPERATOR]) {
      const answer = await region.ask('/v1/capacity', { key })
      assert.equal(answer.status, 200, answer.text)
      assert.equal(regionCapacitySchema.parse(answer.json).accepting, true)
    }
    for (const key of [null, region.key, `${INTERNAL}x`])
      assert.equal((await region.ask('/v1/capacity', { key })).status, 401)
    const account = await region.newKey()
    for (const path of ['/v1/capacity', '/v1/admin/tenants']) {
      const headers = { [EDGE_TOKEN.header]: await edgeToken(account, 'GET', path) }
      const refused = await region.ask(path, { key: null, headers })
      assert.deepEqual([refused.status, textAt(refused.json, 'error', 'code')], [403, 'not_for_tenants'])
    }
    for (const path of ['/healthz', '/readyz']) assert.equal((await region.ask(path, { key: null })).status, 200)
  })
}
