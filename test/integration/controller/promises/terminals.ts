/** Terminals over a region: who is let in, what passes, and how every end is told, of friends and of strangers. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { TERMINAL_ROUTES } from '../../../../shared/contracts/terminals.ts'
import { encodeFrame } from '../../../../shared/frames.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { TERMINAL_CLOSE, TERMINAL_FRAME, TERMINAL_PROTOCOL } from '../../../../shared/terminal-frames.ts'
import { type TestRegion, textAt, until } from '../support/region.ts'
import { startTerminalAgent, type TerminalAgent } from '../support/terminal-agent.ts'

const { stdin, stdout, exit, resize, place } = TERMINAL_FRAME
const bytes = (type: number, text: string | number[]): Buffer =>
  Buffer.concat([Buffer.from([type]), Buffer.from(text as string)])

type Seat = {
  socket: WebSocket
  /** Every message, as the type and the rest in hex or as text. */
  heard: { type: number; rest: Buffer }[]
  shown(): string
  closed: Promise<{ code: number; reason: string }>
}

export function terminalPromises(regionOf: () => TestRegion): void {
  const create = async (): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body: {} })).json, 'data', 'id')
  const agentOf = (): TerminalAgent => {
    const agent = startTerminalAgent()
    regionOf().host.agent = (request, response) => agent.serve(request, response)
    return agent
  }
  async function begin(sandbox: string, body: object = {}) {
    const answer = await regionOf().ask(`/v1/sandboxes/${sandbox}/terminal`, { method: 'POST', body })
    assert.equal(answer.status, 201, answer.text)
    return TERMINAL_ROUTES.create.answer.parse(answer.json).data
  }
  const addressOf = (sandbox: string, session: string, query = ''): string =>
    `${regionOf().url.replace('http', 'ws')}/v1/sandboxes/${sandbox}/terminal/${session}/ws${query}`

  function sit(t: TestContext, address: string, headers: Record<string, string> = {}): Seat {
    const socket = new WebSocket(address, [TERMINAL_PROTOCOL], { headers })
    t.after(() => socket.terminate())
    socket.on('error', () => {})
    const heard: Seat['heard'] = []
    socket.on('message', (data: Buffer) => heard.push({ type: data[0] ?? -1, rest: data.subarray(1) }))
    const shown = (): string =>
      Buffer.concat(heard.filter(({ type }) => type === stdout).map(({ rest }) => rest)).toString()
    const closed = new Promise<{ code: number; reason: string }>((resolve) =>
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
    )
    return { socket, heard, shown, closed }
  }
  async function open(t: TestContext, address: string, headers?: Record<string, string>): Promise<Seat> {
    const seat = sit(t, address, headers)
    await once(seat.socket, 'open')
    return seat
  }
  const keyed = (): Record<string, string> => ({ authorization: `Bearer ${regionOf().key}` })
  const sees = (seat: Seat, text: string): Promise<void> =>
    until(`${text} on the screen`, () => seat.shown().includes(text))
  /** Before a WebSocket is there, a refusal is an ordinary answer. */
  async function refusalAt(
    t: TestContext,
    address: string,
    headers: Record<string, string> = {},
  ): Promise<[number, string]> {
    const { socket } = sit(t, address, headers)
    const [request, response] = await once(socket, 'unexpected-response')
    const text = Buffer.concat(await response.toArray()).toString()
    request.destroy()
    return [response.statusCode, JSON.parse(text).error.code]
  }

  test('a terminal is begun as it was asked for, and its address opens it in a browser, once', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const made = await begin(sandbox, { cols: 100, rows: 30, env: { A: '1' } })
    assert.deepEqual(agent.orders, [{ cols: 100, rows: 30, shell: '/bin/bash', cwd: '/workspace', env: { A: '1' } }])
    assert.deepEqual([made.cols, made.rows], [100, 30])
    assert.ok(made.ws_url.startsWith(addressOf(sandbox, made.session_id, '?ticket=sset_')), made.ws_url)
    const seat = await open(t, made.ws_url)
    assert.equal(seat.socket.protocol, TERMINAL_PROTOCOL)
    seat.socket.send(bytes(stdin, 'hello'))
    await sees(seat, 'hello')
    assert.deepEqual(await refusalAt(t, made.ws_url), [401, 'invalid_token'])
  })

  test('whoever shows the key in a header needs no ticket, and sees from the cursor on that they name', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const seat = await open(t, addressOf(sandbox, session_id, '?cursor=77'), keyed())
    await until('the place', () => seat.heard.length > 0)
    assert.deepEqual(agent.places, ['77'])
    assert.deepEqual(seat.heard[0], { type: place, rest: Buffer.from([0, 0, 0, 0, 0, 0, 0, 77]) })
    seat.socket.send(bytes(resize, [0, 132, 0, 43]))
    await until('the size', () => agent.sizes.length > 0)
    assert.deepEqual(agent.sizes, [[0, 132, 0, 43]])
  })

  test('bytes pass as they are, however a character was cut, and an exit is told before the end', async (t) => {
    agentOf()
    const sandbox = await create()
    const seat = await open(t, (await begin(sandbox)).ws_url)
    const euro = Buffer.from('€')
    seat.socket.send(Buffer.concat([Buffer.from([stdin]), euro.subarray(0, 1)]))
    seat.socket.send(Buffer.concat([Buffer.from([stdin]), euro.subarray(1)]))
    seat.socket.send(bytes(stdin, [0, 255, 27]))
    const all = (): Buffer => Buffer.concat(seat.heard.filter(({ type }) => type === stdout).map(({ rest }) => rest))
    await until('all of it', () => all().length >= 6)
    assert.deepEqual(all(), Buffer.from([...euro, 0, 255, 27]))
    seat.socket.send(bytes(stdin, 'exit 7\n'))
    assert.equal((await seat.closed).code, TERMINAL_CLOSE.over)
    assert.deepEqual(seat.heard.at(-1), { type: exit, rest: Buffer.from([0, 0, 0, 7]) })
  })

  test('what was typed last arrives, though whoever typed it is gone at once', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const seat = await open(t, (await begin(sandbox)).ws_url)
    seat.socket.send(bytes(stdin, 'the last words\n'))
    seat.socket.close()
    await until('the words', () => agent.typed.includes('the last words\n'))
    await until('the end of them', () => agent.goodbyes === 1 && agent.viewers.size === 0)
  })

  test('a message that is not of the protocol ends the connection with the code for it, and reaches nobody', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const cases: [message: string | Buffer, code: number][] = [
      ['text', TERMINAL_CLOSE.text],
      [Buffer.alloc(LIMITS.frameBytesMax + 2), TERMINAL_CLOSE.tooLong],
      [bytes(1, 'shown'), TERMINAL_CLOSE.refused],
      [bytes(99, ''), TERMINAL_CLOSE.refused],
      [Buffer.alloc(0), TERMINAL_CLOSE.refused],
      [bytes(resize, [0, 80, 0]), TERMINAL_CLOSE.refused],
      [bytes(resize, [0, 0, 0, 24]), TERMINAL_CLOSE.refused],
      [bytes(resize, [255, 255, 0, 24]), TERMINAL_CLOSE.refused],
    ]
    for (const [message, code] of cases) {
      const seat = await open(t, addressOf(sandbox, session_id), keyed())
      seat.socket.send(message)
      assert.equal((await seat.closed).code, code, `${String(message).slice(0, 20)}`)
    }
    await until('all of them gone', () => agent.viewers.size === 0)
    assert.deepEqual([agent.typed, agent.sizes], ['', []])
    const whole = await open(t, addressOf(sandbox, session_id), keyed())
    whole.socket.send(Buffer.concat([Buffer.from([stdin]), Buffer.alloc(LIMITS.frameBytesMax, 'x')]))
    await until('the longest message', () => agent.typed.length === LIMITS.frameBytesMax)
  })

  test('an agent that says what is no terminal’s, or breaks off, ends the connection and not the controller', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const nonsense = [Buffer.alloc(64, 255), encodeFrame(stdin, Buffer.from('typed by itself'))]
    for (const said of nonsense) {
      const seat = await open(t, addressOf(sandbox, session_id), keyed())
      await until('it to be there', () => agent.viewers.size === 1)
      for (const viewer of agent.viewers) viewer.write(said)
      assert.equal((await seat.closed).code, TERMINAL_CLOSE.failed)
      await until('it to be gone', () => agent.viewers.size === 0)
    }
    const cut = await open(t, addressOf(sandbox, session_id), keyed())
    await until('it to be there', () => agent.viewers.size === 1)
    for (const viewer of agent.viewers) viewer.destroy()
    assert.equal((await cut.closed).code, TERMINAL_CLOSE.restart)
  })

  test('a pause is told apart from every other end, and whoever connects then wakes the sandbox', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const seat = await open(t, addressOf(sandbox, session_id), keyed())
    await until('it to be there', () => agent.viewers.size === 1)
    await regionOf().ask(`/v1/sandboxes/${sandbox}/pause`, { method: 'POST' })
    for (const viewer of agent.viewers) viewer.destroy()
    assert.equal((await seat.closed).code, TERMINAL_CLOSE.paused)
    const again = await open(t, addressOf(sandbox, session_id), keyed())
    again.socket.send(bytes(stdin, 'awake'))
    await sees(again, 'awake')
    const { json } = await regionOf().ask(`/v1/sandboxes/${sandbox}`)
    assert.equal(textAt(json, 'data', 'state'), 'running')
  })

  test('a sandbox that is destroyed takes its terminals with it, and says so', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const seat = await open(t, (await begin(sandbox)).ws_url)
    await until('it to be there', () => agent.viewers.size === 1)
    await regionOf().ask(`/v1/sandboxes/${sandbox}`, { method: 'DELETE' })
    for (const viewer of agent.viewers) viewer.destroy()
    assert.equal((await seat.closed).code, TERMINAL_CLOSE.gone)
  })

  test('a revoked key loses its terminals within seconds', async (t) => {
    agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const [{ tenant = '' } = {}] = await regionOf().sql<{ tenant: string }>(
      'select tenant from sandbox where id = $1',
      [sandbox],
    )
    const other = await regionOf().newKey({ tenant })
    const seat = await open(t, addressOf(sandbox, session_id), { authorization: `Bearer ${other.key}` })
    await regionOf().sql(`update api_key set status = 'revoked' where id = $1`, [other.keyId])
    assert.equal((await seat.closed).code, TERMINAL_CLOSE.refused)
  })

  test('who may not, or asks for what is not there, hears it before anything is switched', async (t) => {
    agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const stranger = await regionOf().newKey()
    const reader = await regionOf().newKey({ scopes: ['sandboxes:read'] })
    const other = `term_${'f'.repeat(24)}`
    const cases: [address: string, headers: Record<string, string>, refusal: [number, string]][] = [
      [addressOf(sandbox, session_id), {}, [401, 'missing_token']],
      [addressOf(sandbox, session_id, '?ticket=sset_x'), {}, [401, 'invalid_token']],
      [addressOf(sandbox, session_id), { authorization: `Bearer ${stranger.key}` }, [404, 'sandbox_not_found']],
      [addressOf(sandbox, session_id), { authorization: `Bearer ${reader.key}` }, [403, 'insufficient_scope']],
      [addressOf(sandbox, other), keyed(), [404, 'terminal_not_found']],
      [addressOf(sandbox, '..%2f..%2fhealth'), keyed(), [404, 'terminal_not_found']],
      [addressOf(sandbox, session_id, '?cursor=-1'), keyed(), [422, 'invalid_request']],
      [addressOf(sandbox, session_id, '?cursor=1&cursor=2'), keyed(), [422, 'invalid_request']],
    ]
    for (const [address, headers, refusal] of cases)
      assert.deepEqual(await refusalAt(t, address, headers), refusal, address)
    const plain = await regionOf().ask(`/v1/sandboxes/${sandbox}/terminal/${session_id}/ws`)
    assert.deepEqual([plain.status, textAt(plain.json, 'error', 'code')], [426, 'upgrade_required'])
  })

  test('terminals are listed and deleted, and a shell that is not there is refused in its own words', async () => {
    agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const path = `/v1/sandboxes/${sandbox}/terminal`
    const list = await regionOf().ask(path)
    const [record] = TERMINAL_ROUTES.list.answer.parse(list.json).data
    assert.deepEqual([record?.session_id, record?.state, record?.exit_code], [session_id, 'running', null])
    assert.equal((await regionOf().ask(`${path}/${session_id}`, { method: 'DELETE' })).status, 204)
    assert.equal((await regionOf().ask(`${path}/${session_id}`, { method: 'DELETE' })).status, 404)
    const refused = await regionOf().ask(path, { method: 'POST', body: { shell: '/no/such' } })
    assert.deepEqual([refused.status, textAt(refused.json, 'error', 'code')], [422, 'terminal_not_started'])
    assert.match(textAt(refused.json, 'error', 'message'), /command not found/)
    for (const body of [{ cols: 0 }, { rows: 1_001 }, { cwd: 'relative' }, { shell: '' }, { env: { 'A B': '' } }])
      assert.equal((await regionOf().ask(path, { method: 'POST', body })).status, 422, JSON.stringify(body))
  })

  // What is not read stays with whoever sends it, at either end, and not in the memory of a controller.
  test('a viewer who does not read, and a terminal that does not, are waited for', async (t) => {
    const agent = agentOf()
    const sandbox = await create()
    const { session_id } = await begin(sandbox)
    const seat = await open(t, addressOf(sandbox, session_id), keyed())
    await until('it to be there', () => agent.viewers.size === 1)
    const [viewer] = agent.viewers
    seat.socket.pause()
    const frame = encodeFrame(stdout, Buffer.alloc(LIMITS.frameBytesMax))
    let written = 0
    while (viewer?.write(frame) === true || written < 200) written += 1
    await once(viewer ?? seat.socket, 'drain', { signal: AbortSignal.timeout(500) }).then(
      () => assert.fail('13 MB were taken for a viewer who reads nothing'),
      () => undefined,
    )
    seat.socket.resume()
    await until('all of it', () => seat.shown().length >= 200 * LIMITS.frameBytesMax)

    agent.isDeaf = true
    const talker = await open(t, addressOf(sandbox, session_id), keyed())
    for (let sent = 0; sent < 200; sent += 1) talker.socket.send(Buffer.alloc(LIMITS.frameBytesMax))
    let before = -1
    await until('no more to be taken', async () => {
      const isSteady = talker.socket.bufferedAmount === before
      before = talker.socket.bufferedAmount
      await sleep(300)
      return isSteady
    })
    assert.ok(before > 4_000_000, `${before} of 13 MB are still the sender's`)
  })
}
