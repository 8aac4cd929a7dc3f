/** Whoever follows a sandbox hears of the commands in it: which were started and how they ended, in order, and no secret of theirs. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { forgetOld } from '../../../../origin/controller/reconcile/forget.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { startCodeAgent } from '../support/code-agent.ts'
import { joinedAgents } from '../support/joined-agents.ts'
import { exited, output, type ProcessAgent, startProcessAgent } from '../support/process-agent.ts'
import { startReceiver } from '../support/receiver.ts'
import { type Answer, type TestRegion, textAt, until } from '../support/region.ts'
import { readSse, type SseReader } from '../support/sse.ts'

const [STARTED, COMPLETED] = ['sandbox.exec.started', 'sandbox.exec.completed']

export function commandPromises(regionOf: () => TestRegion): void {
  let agent: ProcessAgent
  const readers: SseReader[] = []
  before(() => {
    assert.ok(LIMITS.commandLookMs <= 1_000, 'a test waits for it')
  })
  beforeEach(() => {
    agent = startProcessAgent()
    const code = startCodeAgent()
    code.plays.set('1/0', (say) => say.end({ exit_code: 1 }))
    regionOf().host.agent = joinedAgents([
      ['/v1/code', code.serve],
      ['/v1/', agent.serve],
    ])
  })
  after(() => {
    regionOf().host.agent = null
    for (const reader of readers) reader.close()
  })

  const make = async (body: object = {}): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body })).json, 'data', 'id')
  const post = (id: string, rest: string, body: object = {}): Promise<Answer> =>
    regionOf().ask(`/v1/sandboxes/${id}${rest}`, { method: 'POST', body })
  const follow = async (id: string, headers: Record<string, string> = {}): Promise<SseReader> => {
    const authorization = `Bearer ${regionOf().key}`
    const reader = await readSse(`${regionOf().url}/v1/sandboxes/${id}/events`, { authorization, ...headers })
    readers.push(reader)
    return reader
  }
  const stories = async (reader: SseReader, count: number): Promise<unknown[][]> =>
    (await reader.take(count)).map(({ event, data }) => [event, data.command ?? data.exit_code, data.reason])

  test('a command is told when it has started and when it has ended, with the same id and the type in the data', async () => {
    const id = await make()
    const reader = await follow(id)
    await post(id, '/exec', { cmd: 'exit 3', args: ['a', 'b'] })
    await post(id, '/exec', { command: 'exit 3' })
    const [started, completed, , second] = await reader.take(4)
    assert.deepEqual([started?.event, started?.data.type, started?.data.command], [STARTED, STARTED, 'exit 3 a b'])
    assert.deepEqual(
      [completed?.event, completed?.data.sandbox_id, completed?.data.duration_ms, completed?.data.reason],
      [COMPLETED, id, 3, 'exit'],
    )
    assert.match(String(started?.data.exec_id), /^exec_usw1_/)
    assert.equal(started?.data.exec_id, completed?.data.exec_id)
    assert.deepEqual([second?.data.exit_code, second?.data.exec_id === started?.data.exec_id], [3, false])
  })

  // A follower that rebuilds what happened must not see a command in a sandbox that did not run yet, or not any more.
  test('commands keep their place among what happens to their sandbox', async () => {
    const ran = await post('', 'run', { command: 'echo first' })
    const id = textAt(ran.json, 'data', 'id')
    await post(id, '/exec', { command: 'echo second' })
    await post(id, '/pause')
    await post(id, '/exec', { command: 'echo third' })
    await regionOf().ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })
    const rows = await regionOf().sql<{ type: string }>('select type from event where sandbox = $1 order by id', [id])
    assert.deepEqual(
      rows.map(({ type }) => type).filter((type) => type !== 'sandbox.provisioning'),
      [
        ...['sandbox.created', 'sandbox.running', STARTED, COMPLETED, STARTED, COMPLETED, 'sandbox.paused'],
        ...['sandbox.resumed', STARTED, COMPLETED, 'sandbox.destroyed'],
      ],
    )
  })

  test('code, streams and processes are told like commands, processes by their own ids', async () => {
    const id = await make()
    const reader = await follow(id)
    await post(id, '/code', { code: '1/0' })
    assert.deepEqual(await stories(reader, 2), [
      [STARTED, '1/0', undefined],
      [COMPLETED, 1, 'exit'],
    ])
    assert.equal(reader.frames[0]?.data.language, 'python')
    agent.says = [output('hello\n', 0), exited(7)]
    await fetch(`${regionOf().url}/v1/sandboxes/${id}/exec/stream`, {
      method: 'POST',
      headers: { authorization: `Bearer ${regionOf().key}` },
      body: JSON.stringify({ command: 'make' }),
    }).then((response) => response.text())
    assert.deepEqual((await stories(reader, 4)).slice(2), [
      [STARTED, 'make', undefined],
      [COMPLETED, 7, 'exit'],
    ])
    assert.deepEqual([reader.frames[2]?.data.exec_id, reader.frames[3]?.data.exec_id], [agent.pid, agent.pid])
    await post(id, '/processes', { command: 'npm run dev' })
    assert.deepEqual((await stories(reader, 5)).slice(4), [[STARTED, 'npm run dev', undefined]])
    agent.ended = { exit_code: 9, reason: 'signal', duration_ms: 40, ended_at_ms: 1_700_000_000_040 }
    assert.deepEqual((await stories(reader, 6)).slice(5), [[COMPLETED, 9, 'signal']])
    assert.equal(reader.frames[5]?.data.exec_id, agent.pid)
    // One that has ended before its start is answered.
    await post(id, '/processes', { command: 'true' })
    assert.deepEqual((await stories(reader, 8)).slice(6), [
      [STARTED, 'true', undefined],
      [COMPLETED, 9, 'signal'],
    ])
  })

  // Else a sandbox with a server in it could not be idle for long, and its owner would pay for being asked.
  test('a sandbox is not woken to be asked whether its processes have ended', async () => {
    const id = await make()
    const reader = await follow(id)
    await post(id, '/processes', { command: 'npm run dev' })
    await post(id, '/pause')
    await reader.take(2)
    // A look that had begun before the pause comes to its end.
    await sleep(LIMITS.commandLookMs / 4)
    agent.looks = []
    await sleep(2 * LIMITS.commandLookMs)
    assert.ok(!agent.looks.includes(id))
    assert.equal(textAt((await regionOf().ask(`/v1/sandboxes/${id}`)).json, 'data', 'state'), 'paused')
    agent.ended = { exit_code: 0, reason: 'exit', duration_ms: 40, ended_at_ms: 1_700_000_000_040 }
    await post(id, '/resume')
    const [, paused, ...woken] = await stories(reader, 5)
    assert.equal(paused?.[0], 'sandbox.paused')
    assert.deepEqual(
      woken.filter(([type]) => type !== 'sandbox.provisioning'),
      [
        ['sandbox.resumed', undefined, undefined],
        [COMPLETED, 0, 'exit'],
      ],
    )
  })

  test('of a command whose end nobody hears it is said that it was lost', async () => {
    const id = await make()
    const reader = await follow(id)
    const leaving = new AbortController()
    const left = fetch(`${regionOf().url}/v1/sandboxes/${id}/exec`, {
      method: 'POST',
      headers: { authorization: `Bearer ${regionOf().key}` },
      body: JSON.stringify({ command: 'sleep 30' }),
      signal: leaving.signal,
    }).catch(() => {})
    await reader.take(1)
    leaving.abort()
    await left
    await reader.take(2)
    const { exit_code, reason } = reader.frames[1]?.data ?? {}
    assert.deepEqual([exit_code, reason], [null, 'lost'])
  })

  test('what is told of a command is bounded, and neither its environment nor its input', async () => {
    const id = await make({ env: { OF_SANDBOX: 'hidden-one' } })
    const reader = await follow(id)
    const secrets = { env: { TOKEN: 'hidden-two' }, stdin: 'hidden-three' }
    await post(id, '/exec', { command: `echo ${'é'.repeat(2_000)}`, ...secrets })
    await reader.take(2)
    assert.doesNotMatch(JSON.stringify(reader.frames), /hidden/)
    assert.equal(Buffer.byteLength(String(reader.frames[0]?.data.command)), LIMITS.processShownCharsMax - 1)
  })

  // Commands are many; a receiver that is slow over them would hear of what happens to its sandboxes late, or never.
  test('a webhook hears of commands when it asks for them, and not because it asks for everything', async () => {
    const [every, some] = [await startReceiver(), await startReceiver()]
    try {
      const hook = (url: string, events: string[]) =>
        regionOf().ask('/v1/webhooks', { method: 'POST', body: { url, events } })
      await hook(every.url, ['sandbox.*', '*'])
      await hook(some.url, ['sandbox.exec.completed'])
      const id = await make()
      await post(id, '/exec', { command: 'echo hello' })
      await until('the end of the command', () => some.received.length > 0)
      await regionOf().ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })
      const typesOf = ({ received }: typeof every) =>
        received.filter(({ json }) => json.data.sandbox_id === id).map(({ json }) => json.type)
      await until('the end of the sandbox', () => typesOf(every).includes('sandbox.destroyed'))
      assert.deepEqual(typesOf(some), [COMPLETED])
      assert.ok(typesOf(every).every((type) => !type.startsWith('sandbox.exec.')))
    } finally {
      await regionOf().sql('update webhook set active = false')
      for (const receiver of [every, some]) receiver.close()
    }
  })

  test('a controller that is told to stop has told of every command', async () => {
    const id = await make()
    await post(id, '/exec', { command: 'echo last' })
    await regionOf().restart()
    const rows = await regionOf().sql('select from event where sandbox = $1 and type = $2', [id, COMPLETED])
    assert.equal(rows.length, 1)
  })

  test('what happened to commands is forgotten after an hour, and what happened to their sandbox is not', async () => {
    const id = await make()
    const reader = await follow(id)
    await post(id, '/exec', { command: 'echo old' })
    await reader.take(2)
    await regionOf().sql(`update event set ts = ts - interval '61 minutes' where sandbox = $1`, [id])
    await forgetOld(regionOf().running.controller)
    const rows = await regionOf().sql<{ type: string }>('select type from event where sandbox = $1', [id])
    assert.ok(rows.length > 0 && rows.every(({ type }) => !type.startsWith('sandbox.exec.')))
  })

  // A reader that comes back after hours would lose what happened to its sandboxes, because the last it had heard of was a command.
  test('a stream goes on after a command that is forgotten meanwhile', async () => {
    const id = await make()
    const reader = await follow(id)
    await post(id, '/exec', { command: 'echo old' })
    const [, completed] = await reader.take(2)
    reader.close()
    await post(id, '/pause')
    await regionOf().sql(`update event set ts = ts - interval '61 minutes' where sandbox = $1`, [id])
    await forgetOld(regionOf().running.controller)
    const again = await follow(id, { 'last-event-id': completed?.id ?? '' })
    assert.equal((await again.take(1))[0]?.event, 'sandbox.paused')
  })
}
