/** What is asked of a sandbox's processes reaches its agent as it was meant, and what a hostile agent says reaches nobody as it is. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { ENV_ROUTES, PROCESS_ROUTES } from '../../../../shared/contracts/processes.ts'
import { encodeJsonFrame, FRAME } from '../../../../shared/frames.ts'
import { endingLate } from '../support/late-ends.ts'
import { exited, output, type ProcessAgent, startProcessAgent } from '../support/process-agent.ts'
import { type Answer, type Ask, at, type TestRegion, textAt, until } from '../support/region.ts'
import { readSse } from '../support/sse.ts'

export function processPromises(regionOf: () => TestRegion): void {
  let agent: ProcessAgent
  let sandbox: string
  before(async () => {
    const made = await regionOf().ask('/v1/sandboxes', { method: 'POST', body: { size: 'small' } })
    sandbox = textAt(made.json, 'data', 'id')
  })
  beforeEach(() => {
    agent = startProcessAgent()
    regionOf().host.agent = agent.serve
  })
  after(() => {
    regionOf().host.agent = null
  })
  const pathOf = (rest: string): string => `/v1/sandboxes/${sandbox}${rest}`
  const ask = (rest: string, options: Ask = {}): Promise<Answer> => regionOf().ask(pathOf(rest), options)
  const post = (rest: string, body: object, headers: Record<string, string> = {}): Promise<Answer> =>
    ask(rest, { method: 'POST', body, headers })
  const codeOf = ({ json }: Answer): string => textAt(json, 'error', 'code')
  const saidBy = ({ json }: Answer) => ({
    code: textAt(json, 'error', 'code'),
    details: at(json, 'error', 'details'),
  })
  const stream = (rest: string, init: RequestInit = {}): Promise<Response> =>
    fetch(regionOf().url + pathOf(rest), {
      ...init,
      headers: { authorization: `Bearer ${regionOf().key}`, ...init.headers },
    })

  test('every answer is of the shape that its contract gives', async () => {
    const { list, start, get, logs, signal, stdin } = PROCESS_ROUTES
    const started = await post('/processes', { command: 'npm run dev', name: 'dev', env: { A: 'b' }, timeout: 1.5 })
    assert.equal(started.status, 201)
    start.answer.parse(started.json)
    list.answer.parse((await ask('/processes')).json)
    get.answer.parse((await ask(`/processes/${agent.pid}`)).json)
    assert.equal(logs.answer.parse((await ask(`/processes/${agent.pid}/logs?tail=1`)).json).data, 'hello\n')
    signal.answer.parse((await post(`/processes/${agent.pid}/signal`, { signal: 'int' })).json)
    stdin.answer.parse((await post(`/processes/${agent.pid}/stdin`, { data: 'é', eof: true })).json)
    for (const path of [`/processes/${agent.pid}/stdin`, `/processes/${agent.pid}`])
      assert.equal((await ask(path, { method: 'DELETE' })).status, 204)
    const vars = [{ key: 'A', value: 'b', encrypted: false }]
    assert.deepEqual(
      ENV_ROUTES.set.answer.parse((await ask('/env', { method: 'PUT', body: { vars } })).json).data,
      vars,
    )
    assert.deepEqual(ENV_ROUTES.get.answer.parse((await ask('/env')).json).data, vars)
    assert.equal((await ask('/env/A', { method: 'DELETE' })).status, 204)

    assert.deepEqual(agent.starts, [
      {
        ...{ argv: ['/bin/bash', '-c', 'npm run dev'], cwd: '/workspace', env: { A: 'b' }, user: 'sandbox' },
        ...{ stdin_open: true, timeout_ms: 1_500, name: 'dev', shown: 'npm run dev' },
      },
    ])
    assert.ok(agent.asked.includes(`POST /v1/processes/${agent.pid}/signal: {"signal":"SIGINT"}`))
    assert.ok(agent.asked.includes(`POST /v1/processes/${agent.pid}/stdin: é`))
  })

  test('a detached command is a process in the background, and a streamed one its caller’s', async () => {
    const detached = await post('/exec', { cmd: 'sleep', args: ['9'], detached: true })
    assert.deepEqual([detached.status, at(detached.json, 'data')], [200, { job_id: agent.pid }])
    await (await stream('/exec/stream', { method: 'POST', body: '{"command":"echo hello","stdin":"x"}' })).text()
    assert.deepEqual(
      agent.starts.map(({ argv, stdin, stdin_open, timeout_ms }) => [argv.at(-1), stdin, stdin_open, timeout_ms]),
      [
        ['9', undefined, false, 0],
        ['echo hello', 'x', false, 3_600_000],
      ],
    )
    assert.ok(agent.asked.at(-1)?.startsWith('POST /v1/processes/run:'))
  })

  test('the caller’s Accept decides how a command is answered', async () => {
    agent.says = [output('one\ntw', 0), output('err\n', 0, FRAME.stderr), output('o', 6), exited(3)]
    const told = async (rest: string, accept: string): Promise<[string | null, string]> => {
      const answer = await stream(rest, { method: 'POST', headers: { accept }, body: '{"command":"x"}' })
      assert.equal(answer.headers.get('x-process-id'), agent.pid)
      return [answer.headers.get('content-type'), await answer.text()]
    }
    const sse = [
      'event: stdout\nid: 1.4.0\ndata: {"type":"stdout","line":"one"}\n\n',
      'event: stderr\nid: 2.4.4\ndata: {"type":"stderr","line":"err"}\n\n',
      'event: stdout\nid: 3.7.4\ndata: {"type":"stdout","line":"two"}\n\n',
      'event: exit\nid: 4.7.4\ndata: {"type":"exit","exit_code":3,"duration_ms":5,"reason":"exit"}\n\n',
    ].join('')
    for (const rest of ['/exec', '/exec/stream'])
      assert.deepEqual(await told(rest, 'text/event-stream'), ['text/event-stream', sse])
    assert.deepEqual(await told('/exec/stream', 'application/json'), ['text/event-stream', sse])
    const [type, ndjson] = await told('/exec', 'application/x-ndjson')
    assert.equal(type, 'application/x-ndjson')
    assert.equal(
      ndjson.split('\n')[0],
      '{"seq":1,"ts":"2023-11-14T22:13:20.000Z","type":"stdout","line":"one","cursor":"1.4.0"}',
    )
    const json = await post('/exec', { command: 'echo as ever' }, { accept: 'application/json' })
    assert.equal(textAt(json.json, 'data', 'stdout'), 'as ever\n')
  })

  test('commands told as they run, one after another, go over connections that are there already', async () => {
    const late = endingLate(agent.serve)
    regionOf().host.agent = late.agent
    for (let call = 0; call < 8; call++) {
      await (await stream('/exec/stream', { method: 'POST', body: '{"command": "true"}' })).text()
      await until('the answer to end', () => late.endings() > call)
    }
    // The next call may come when the end of the one before has been sent, but not yet been seen.
    assert.ok(late.connections.size <= 2, `${late.connections.size} connections for 8 commands`)
  })

  test('a stream goes on from a cursor, wherever that is given', async () => {
    agent.says = [output('c', 2), exited(0)]
    const path = `/processes/${agent.pid}/stream`
    const byQuery = await (await stream(`${path}?cursor=7.2.1`)).text()
    const byHeader = await (await stream(path, { headers: { 'last-event-id': '7.2.1' } })).text()
    assert.equal(byQuery, byHeader)
    assert.match(byQuery, /^event: stdout\nid: 8\.3\.1\n/)
    const question = `GET /v1/processes/${agent.pid}/output?stdout=2&stderr=1&follow=1: `
    assert.deepEqual(agent.asked, [question, question])
    const refused = (why: string) => ({ code: 'invalid_request', details: { cursor: [why] } })
    for (const cursor of ['x', '1.2', '1.2.-3', '9999999999999999.1.1'])
      assert.deepEqual(saidBy(await ask(`${path}?cursor=${cursor}`)), refused('must be a cursor of this stream'))
    assert.deepEqual(saidBy(await ask(path, { headers: { 'last-event-id': 'x' } })), refused('is not a cursor'))
    const head = await stream(path, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-type')], [200, 'text/event-stream'])
  })

  test('the same Idempotency-Key starts one process, at the agent too', async () => {
    const headers = { 'idempotency-key': 'one-process' }
    const first = await post('/processes', { command: 'a' }, headers)
    const again = await post('/processes', { command: 'a' }, headers)
    assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [201, first.text, 'true'])
    assert.equal(agent.starts.length, 1)
    assert.match(agent.starts[0]?.key ?? '', /^[\w-]{43}$/)
    assert.match(agent.starts[0]?.fingerprint ?? '', /^[0-9a-f]{64}$/)
    assert.equal(codeOf(await post('/processes', { command: 'b' }, headers)), 'idempotency_key_reused')
  })

  test('what the agent refuses, its caller hears; and what nobody may ask never reaches it', async () => {
    for (const [status, code] of [
      [409, 'process_ended'],
      [409, 'stdin_closed'],
      [409, 'stdin_full'],
      [422, 'process_not_started'],
    ] as const) {
      agent.refusal = { status, code }
      const answer = await post(`/processes/${agent.pid}/stdin`, { data: 'x' })
      assert.deepEqual([answer.status, codeOf(answer)], [status, code])
    }
    agent.refusal = { status: 422, code: 'invalid_request', field: 'signal' }
    assert.deepEqual(saidBy(await post(`/processes/${agent.pid}/signal`, { signal: 'SIGNOTHING' })), {
      code: 'invalid_request',
      details: { signal: ['The agent refused.'] },
    })
    const missing = await ask('/processes/p_nosuchprocess')
    assert.deepEqual([missing.status, codeOf(missing)], [404, 'process_not_found'])
    agent.asked = []
    for (const pid of ['1', 'p_', 'p_A', 'p_a%2F..%2Fx', 'p_a%3Ffollow=1'])
      assert.equal(codeOf(await ask(`/processes/${pid}`)), 'process_not_found', pid)
    for (const [rest, body] of [
      [`/processes/${agent.pid}/signal`, { signal: 'SIG INT' }],
      [`/processes/${agent.pid}/stdin`, { data: 'a', data_base64: 'YQ==' }],
      [`/processes/${agent.pid}/stdin`, { data_base64: 'not base64' }],
      ['/processes', { command: 'a', cmd: 'b' }],
      ['/processes', {}],
    ] as const)
      assert.equal(codeOf(await post(rest, body)), 'invalid_request', JSON.stringify(body))
    const unnameable = { vars: [{ key: 'A B', value: '' }] }
    assert.equal(codeOf(await ask('/env', { method: 'PUT', body: unnameable })), 'invalid_request')
    assert.deepEqual(agent.asked, [])
  })

  test('an agent that makes no sense, or breaks off, is said to have, in the stream when that has begun', async () => {
    const last = async (): Promise<string> => {
      const text = await (await stream(`/processes/${agent.pid}/stream`)).text()
      return JSON.parse(/^data: (.*)$/gm.exec(text.slice(text.lastIndexOf('data: ')))?.[1] ?? '{}').code
    }
    agent.says = [output('a\n', 0), output('b\n', 7)]
    assert.equal(await last(), 'guest_unreachable')
    agent.says = [output('a\n', 0)]
    assert.equal(await last(), 'guest_unreachable')
    agent.after = 'breaks'
    assert.equal(await last(), 'guest_unreachable')
    agent.after = 'ends'
    agent.says = [new Uint8Array(64).fill(255)]
    assert.equal((await ask(`/processes/${agent.pid}/logs`)).status, 502)
    agent.says = Array.from({ length: 100 }, (_, index) => output(Buffer.alloc(60_000), index * 60_000))
    assert.equal((await ask(`/processes/${agent.pid}/logs`)).status, 502)
    agent.says = [encodeJsonFrame(FRAME.started, { id: '../x', pid: 1 })]
    assert.equal(await last(), 'guest_unreachable')
  })

  test('under whose command a host dies is not told to send it again, and who only listened is', async () => {
    agent.after = 'goes on'
    agent.says = [output('a\n', 0)]
    const { host } = regionOf()
    for (const [rest, init, code] of [
      ['/exec/stream', { method: 'POST', body: '{"command": "true"}' }, 'outcome_unknown'],
      [`/processes/${agent.pid}/stream`, {}, 'host_unavailable'],
    ] as const) {
      const told = (await stream(rest, init)).text()
      await until('the output to be listened to', () => agent.listeners.size === 1)
      await host.away()
      assert.match(await told, new RegExp(`"code":"${code}"`))
      await host.back()
      await until('the host to be heard of', async () => (await ask('/processes')).status === 200)
    }
  })

  test('whoever leaves a stream is not listened for any more, and gives its place back', async () => {
    agent.after = 'goes on'
    agent.says = [output('a\n', 0)]
    const headers = { authorization: `Bearer ${regionOf().key}` }
    const url = regionOf().url + pathOf(`/processes/${agent.pid}/stream`)
    const readers = await Promise.all(Array.from({ length: 5 }, () => readSse(url, headers)))
    for (const reader of readers) await reader.take(1)
    assert.equal(agent.listeners.size, 5)
    for (const reader of readers) reader.close()
    await until('all to have left', () => agent.listeners.size === 0)
  })

  test('a stream ends for a key that is revoked', async () => {
    agent.after = 'goes on'
    agent.says = [output('a\n', 0)]
    const region = regionOf()
    const { tenant } =
      (await region.sql<{ tenant: string }>('select tenant from sandbox where id = $1', [sandbox]))[0] ?? {}
    const { key, keyId } = await region.newKey(tenant === undefined ? {} : { tenant })
    const url = region.url + pathOf(`/processes/${agent.pid}/stream`)
    const reader = await readSse(url, { authorization: `Bearer ${key}` })
    await reader.take(1)
    await region.sql(`update api_key set status = 'revoked' where id = $1`, [keyId])
    await reader.ended()
    assert.equal(reader.frames.at(-1)?.data.code, 'revoked_token')
    await until('its place to be free', () => agent.listeners.size === 0)
  })
}
