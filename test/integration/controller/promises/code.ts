/** Code over a region: what is passed on, the forms in which it is told, and how every end is told, of friends and of strangers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CODE_ROUTES } from '../../../../shared/contracts/code.ts'
import { CODE_FRAME } from '../../../../shared/contracts/guest-code.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type CodeAgent, type Play, startCodeAgent } from '../support/code-agent.ts'
import { endingLate } from '../support/late-ends.ts'
import { type TestRegion, textAt, until } from '../support/region.ts'

const RESULT = { text: '3', is_main_result: true, is_truncated: false }
const FAILURE = { name: 'ValueError', value: 'no', traceback: ['Traceback', 'ValueError: no'] }
/** A character in two pieces, output of both kinds, a result and an error. */
const STORY: Play = (say) => {
  say.output('stdout', [0x61, 0xc3])
  say.output('stdout', [0xbc, 0x0a])
  say.output('stderr', [0x6f, 0xff])
  say.message('result', { ...RESULT, html: '<b>'.repeat(20_000) }, 1_000)
  say.message('failure', FAILURE)
  say.end({ exit_code: 1 })
}

export function codePromises(regionOf: () => TestRegion): void {
  const create = async (): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body: {} })).json, 'data', 'id')
  const agentOf = (plays: Record<string, Play> = {}): CodeAgent => {
    const agent = startCodeAgent()
    for (const [code, play] of Object.entries(plays)) agent.plays.set(code, play)
    regionOf().host.agent = (request, response) => agent.serve(request, response)
    return agent
  }
  const run = (id: string, body: object, accept?: string) =>
    fetch(`${regionOf().url}/v1/sandboxes/${id}/code`, {
      method: 'POST',
      headers: { authorization: `Bearer ${regionOf().key}`, ...(accept === undefined ? {} : { accept }) },
      body: JSON.stringify(body),
    })
  const linesOf = async (response: Response) =>
    (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

  test('a call is passed on as it was asked for, and answered whole', async () => {
    const agent = agentOf({ story: STORY })
    const body = { code: 'story', env: { A: 'b' }, cwd: '/tmp', timeout: 1.5, context_id: 'ctx_python' }
    const response = await run(await create(), body)
    assert.equal(response.status, 200)
    const { data } = CODE_ROUTES.run.answer.parse(await response.json())
    assert.deepEqual(data, {
      stdout: 'aü\n',
      stderr: 'o�',
      results: [{ ...RESULT, html: '<b>'.repeat(20_000) }],
      error: FAILURE,
      exit_code: 1,
      reason: 'exit',
      execution_count: 1,
      duration_ms: 3,
      context_id: 'ctx_python',
      context_restarted: false,
      truncated: false,
    })
    assert.deepEqual(agent.orders, [
      {
        code: 'story',
        language: 'python',
        context_id: 'ctx_python',
        env: { A: 'b' },
        cwd: '/tmp',
        timeout_ms: 1_500,
        output_bytes_max: LIMITS.execOutputBytesMax,
      },
    ])
  })

  // A connection for each call would be dearer than what many calls do.
  test('calls one after another, in every form, go over connections that are there already', async () => {
    const agent = agentOf({ story: STORY })
    const late = endingLate(agent.serve)
    regionOf().host.agent = late.agent
    const id = await create()
    for (const accept of ['application/json', 'application/x-ndjson', 'text/event-stream'])
      for (let call = 0; call < 4; call++) {
        const before = late.endings()
        await (await run(id, { code: 'story' }, accept)).text()
        await until('the answer to end', () => late.endings() > before)
      }
    // The next call may come when the end of the one before has been sent, but not yet been seen.
    assert.ok(late.connections.size <= 2, `${late.connections.size} connections for 12 calls`)
  })

  test('the same is told as it happens, in both forms, and ends with its end', async () => {
    agentOf({ story: STORY })
    const id = await create()
    const lines = await linesOf(await run(id, { code: 'story' }, 'application/x-ndjson'))
    assert.deepEqual(
      lines.map(({ seq, type, data, text }) => [seq, type, data ?? text]),
      [
        [1, 'started', undefined],
        [2, 'stdout', 'a'],
        [3, 'stdout', 'ü\n'],
        [4, 'stderr', 'o�'],
        [5, 'result', '3'],
        [6, 'error', undefined],
        [7, 'end', undefined],
      ].map(([seq, type, said]) => [seq, type, said]),
    )
    assert.deepEqual([lines.at(-1).exit_code, lines.at(-1).context_id], [1, 'ctx_python'])
    const stream = await run(id, { code: 'story' }, 'text/event-stream')
    assert.equal(stream.headers.get('content-type'), 'text/event-stream')
    assert.match(await stream.text(), /event: error\ndata: \{"type":"error","name":"ValueError".*\n\nevent: end\n/)
  })

  test('an exec carries code in place of a command, with the answer of code', async () => {
    const agent = agentOf({ story: STORY })
    const id = await create()
    const ask = (path: string, body: object) => regionOf().ask(`/v1/sandboxes/${id}/${path}`, { method: 'POST', body })
    const ran = await ask('exec', { code: 'story', language: 'javascript', env: { A: 'b' } })
    assert.equal(ran.status, 200, ran.text)
    assert.equal(CODE_ROUTES.run.answer.parse(ran.json).data.results.length, 1)
    assert.deepEqual(
      agent.orders.map(({ language, env }) => [language, env]),
      [['javascript', { A: 'b' }]],
    )
    const headers = { authorization: `Bearer ${regionOf().key}` }
    const options = { method: 'POST', headers, body: JSON.stringify({ code: 'story' }) }
    const streamed = await fetch(`${regionOf().url}/v1/sandboxes/${id}/exec/stream`, options)
    assert.match(await streamed.text(), /event: end\n/)
    for (const body of [{ code: '1', command: 'true' }, { code: '1', stdin: 'x' }, { code: '1', detached: true }, {}])
      assert.equal((await ask('exec', body)).status, 422, JSON.stringify(body))
  })

  test('output is told before the code has ended, and a reader who leaves interrupts it', async () => {
    const agent = agentOf({
      endless: async (say, { left }) => {
        say.output('stdout', 'begun\n')
        await left
      },
    })
    const response = await run(await create(), { code: 'endless' }, 'application/x-ndjson')
    const reader = response.body?.getReader()
    let heard = ''
    while (!heard.includes('begun')) heard += Buffer.from((await reader?.read())?.value ?? []).toString()
    await reader?.cancel()
    await until('the code is interrupted', () => agent.left.includes('endless'))
  })

  test('a caller who waits for the whole answer and leaves interrupts the code, too', async () => {
    const begun = Promise.withResolvers<void>()
    const agent = agentOf({
      endless: async (_, { left }) => {
        begun.resolve()
        await left
      },
    })
    const id = await create()
    const leaving = new AbortController()
    const asked = fetch(`${regionOf().url}/v1/sandboxes/${id}/code`, {
      method: 'POST',
      headers: { authorization: `Bearer ${regionOf().key}` },
      body: JSON.stringify({ code: 'endless' }),
      signal: leaving.signal,
    })
    asked.catch(() => {})
    await begun.promise
    leaving.abort()
    await until('the code is interrupted', () => agent.left.includes('endless'))
  })

  test('a paused sandbox wakes for code', async () => {
    agentOf()
    const id = await create()
    await regionOf().ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    assert.equal((await run(id, { code: '1' })).status, 200)
    assert.equal(regionOf().host.vms.get(id)?.state, 'running')
  })

  test('an agent that makes no sense, or breaks off, is no answer', async () => {
    const piece = 'x'.repeat(60_000)
    agentOf({
      cut: (say) => say.breakOff(),
      nonsense: (say) => say.raw(CODE_FRAME.result, 'no JSON'),
      shape: (say) => say.message('result', { text: 5 }),
      twice: (say) => say.raw(CODE_FRAME.started, '{"context_id":"ctx_python","execution_count":1}'),
      code: (say) => say.end({ exit_code: 999 }),
      large: (say) => {
        for (let bytes = 0; bytes <= LIMITS.codeMessageBytesMax; bytes += piece.length) say.raw(CODE_FRAME.piece, piece)
      },
    })
    const id = await create()
    const lost = await run(id, { code: 'cut' })
    assert.deepEqual([lost.status, textAt(await lost.json(), 'error', 'code')], [504, 'outcome_unknown'])
    for (const code of ['nonsense', 'shape', 'twice', 'code', 'large']) {
      const response = await run(id, { code })
      assert.deepEqual(
        [response.status, textAt(await response.json(), 'error', 'code')],
        [502, 'guest_unreachable'],
        code,
      )
    }
    const lines = await linesOf(await run(id, { code: 'cut' }, 'application/x-ndjson'))
    assert.deepEqual([lines.at(-1).type, lines.at(-1).code], ['error', 'outcome_unknown'])
  })

  test('under whose code a host dies is not told to send it again', async () => {
    const { host } = regionOf()
    const began = Promise.withResolvers<void>()
    agentOf({
      sleep: (say) => {
        say.output('stdout', [0x61])
        began.resolve()
        return new Promise(() => {})
      },
    })
    const id = await create()
    const asked = run(id, { code: 'sleep' })
    await began.promise
    await host.away()
    const lost = await asked
    assert.deepEqual([lost.status, textAt(await lost.json(), 'error', 'code')], [504, 'outcome_unknown'])
    await host.back()
    await until(
      'the host to be heard of',
      async () => (await regionOf().ask(`/v1/sandboxes/${id}/code/contexts`)).status === 200,
    )
  })

  test('what cannot be asked is refused before the sandbox hears of it', async () => {
    const agent = agentOf()
    const id = await create()
    const refused: [object, number][] = [
      [{}, 422],
      [{ code: 'a\0b' }, 422],
      [{ code: 1 }, 422],
      [{ code: '1', language: 'cobol' }, 422],
      [{ code: '1', timeout: 0 }, 422],
      [{ code: '1', cwd: 'relative' }, 422],
      [{ code: 'x'.repeat(LIMITS.codeBytesMax + 1) }, 422],
    ]
    for (const [body, status] of refused)
      assert.equal((await run(id, body)).status, status, JSON.stringify(body).slice(0, 99))
    assert.deepEqual(agent.orders, [])
    const unknown = await run(id, { code: '1', context_id: 'ctx_nonsuch' }, 'text/event-stream')
    assert.deepEqual([unknown.status, textAt(await unknown.json(), 'error', 'code')], [404, 'context_not_found'])
  })

  test('contexts are made, listed, changed and ended', async () => {
    const agent = agentOf()
    const path = `/v1/sandboxes/${await create()}/code/contexts`
    const ask = (rest: string, method: string, body?: object) => regionOf().ask(path + rest, { method, body })
    const made = await ask('', 'POST', { language: 'javascript', cwd: '/tmp' })
    assert.equal(made.status, 201, made.text)
    const id = textAt(made.json, 'data', 'id')
    const record = CODE_ROUTES.createContext.answer.parse(made.json).data
    assert.deepEqual(record, {
      id,
      language: 'javascript',
      cwd: '/tmp',
      is_default: false,
      execution_count: 0,
      state: 'idle',
      created_at: '1970-01-01T00:00:00.000Z',
    })
    assert.deepEqual((await ask('', 'GET')).json, { data: [record] })
    for (const verb of ['restart', 'interrupt']) assert.equal((await ask(`/${id}/${verb}`, 'POST')).status, 200)
    assert.equal((await ask(`/${id}`, 'DELETE')).status, 204)
    assert.deepEqual(agent.verbs, ['POST restart', 'POST interrupt', 'DELETE '])
    for (const other of [id, 'ctx_..', 'a%2Fb']) {
      const gone = await ask(`/${other}`, 'DELETE')
      assert.deepEqual([gone.status, textAt(gone.json, 'error', 'code')], [404, 'context_not_found'])
    }
  })

  test('Podflare’s call says one line of output in a line, and its exit last', async () => {
    const agent = agentOf({
      story: STORY,
      cut: (say) => {
        say.output('stdout', 'half')
        say.breakOff()
      },
    })
    const id = await create()
    const ask = (body: object) =>
      fetch(`${regionOf().url}/podflare/v1/sandboxes/${id}/exec`, {
        method: 'POST',
        headers: { authorization: `Bearer ${regionOf().key}` },
        body: JSON.stringify(body),
      })
    const response = await ask({ code: 'story' })
    assert.equal(response.headers.get('content-type'), 'application/x-ndjson')
    const lines = await linesOf(response)
    assert.ok(lines.every(({ ts }) => Number.isInteger(ts) && ts > 1_000_000_000_000))
    assert.deepEqual(
      lines.map(({ type, data, seq }) => [type, data, seq]),
      [
        ['stdout', 'aü', 0],
        ['stderr', 'o�', 1],
        ['stderr', 'Traceback', 2],
        ['stderr', 'ValueError: no', 3],
        ['exit', 1, 4],
      ],
    )
    const cut = await linesOf(await ask({ code: 'cut' }))
    assert.deepEqual(
      cut.map(({ type }) => type),
      ['stdout', 'stderr', 'exit'],
    )
    await linesOf(await ask({ code: 'echo', language: 'bash' }))
    const said = agent.orders.map(({ language, is_serial, is_passing }) => [language, is_serial, is_passing])
    assert.deepEqual(
      [said[0], said.at(-1)],
      [
        ['python', true, undefined],
        ['bash', true, true],
      ],
    )
    const refused = await ask({ code: '1', language: 'javascript' })
    assert.equal(refused.status, 400)
    assert.deepEqual(Object.keys(Object(await refused.json())), ['error'])
    const gone = await fetch(`${regionOf().url}/podflare/v1/sandboxes/sbx_nonsuch/exec`, {
      method: 'POST',
      headers: { authorization: `Bearer ${regionOf().key}` },
      body: '{"code":"1"}',
    })
    assert.deepEqual([gone.status, await gone.json()], [404, { error: 'sandbox not found' }])
  })
}
