/** kill -9 of a real controller between any two steps of a create: one key, one sandbox, one run of the command, and the truth for all who ask. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type HostDouble, type Mishap, startHostDouble } from './support/host-double.ts'
import { type ControllerProcess, startControllerProcess } from './support/process.ts'
import { textAt, until } from './support/region.ts'

type Sent = { key: string; path: string; body: object; id: string; letGo: () => Promise<void> }
type Point = 'host not asked' | 'host silent' | 'row not written' | 'answer not kept' | 'answer kept'
const POINTS: Point[] = ['host not asked', 'host silent', 'row not written', 'answer not kept', 'answer kept']

describe('a create whose controller is killed', { timeout: 600_000 }, () => {
  let host: HostDouble
  let controller: ControllerProcess
  const never = Promise.withResolvers<void>()
  before(async () => {
    host = await startHostDouble('h1')
    controller = await startControllerProcess(host)
  })
  after(async () => {
    never.resolve()
    await controller?.remove()
    await host?.close()
  })

  const send = async (path: string, body: object, key: string) => {
    const response = await fetch(controller.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${controller.key}`, 'idempotency-key': key },
      body: JSON.stringify(body),
    })
    return { status: response.status, headers: response.headers, json: (await response.json()) as unknown }
  }
  const claimOf = async (key: string) =>
    (
      await controller.sql<{ sandbox: string; status: number | null }>(
        'select sandbox, status from idempotency where key = $1',
        [key],
      )
    )[0]
  const stateOf = async (id: string) =>
    (await controller.sql<{ state: string }>('select state from sandbox where id = $1', [id]))[0]?.state
  /** Until a statement of the controller waits for what we hold. */
  const blocked = () =>
    until('the controller to wait for us', async () => {
      const waiting = await controller.sql(`select from pg_stat_activity where wait_event_type = 'Lock'`)
      return waiting.length > 0
    })

  /** Sends a request and stops it at the point. What is held must be let go before the controller is started again. */
  async function sendTo(point: Point, path: string, body: object): Promise<Sent> {
    const key = randomUUID()
    const gate = Promise.withResolvers<void>()
    const mishap: Mishap =
      point === 'host not asked'
        ? { kind: 'hang', until: never.promise }
        : {
            kind: point === 'host silent' ? 'silent' : 'hang',
            until: point === 'host silent' ? never.promise : gate.promise,
          }
    host.mishaps.push(mishap)
    const answer = send(path, body, key).catch(() => 'cut')
    await until('the claim', async () => (await claimOf(key)) !== undefined)
    const id = (await claimOf(key))?.sandbox ?? ''
    const sent = { key, path, body, id, letGo: async () => {} }
    const held = async (text: string, value: string): Promise<Sent> => {
      const letGo = await controller.hold(text, [value])
      gate.resolve()
      await blocked()
      return { ...sent, letGo }
    }
    switch (point) {
      case 'host not asked':
        return sent
      case 'host silent':
        await until('the machine', () => host.vms.has(id))
        return sent
      case 'row not written':
        return held('select from sandbox where id = $1 for update', id)
      case 'answer not kept':
        return held('select from idempotency where key = $1 for update', key)
      case 'answer kept':
        gate.resolve()
        await answer
        return sent
    }
  }

  /** One kill for all: each request stands at its point. */
  async function killAmid(sent: Sent[]): Promise<void> {
    await controller.kill('SIGKILL')
    // What a killed controller has sent may still be carried out; here it never arrived.
    await controller.sql(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where wait_event_type = 'Lock'`)
    for (const { letGo } of sent) await letGo()
    await controller.start()
  }

  test('gives the same key the sandbox that it made, or one that is made now, and never a second one', async () => {
    const sent: Record<string, Sent> = {}
    for (const point of POINTS) sent[point] = await sendTo(point, '/v1/sandboxes', { tags: [point] })
    await killAmid(Object.values(sent))
    await Promise.all(
      POINTS.map(async (point) => {
        const { key, path, body, id } = sent[point] ?? assert.fail()
        const answers = await Promise.all([send(path, body, key), send(path, body, key)])
        const [first, second] = answers.map(({ json }) => textAt(json, 'data', 'id'))
        for (const { status, json } of answers) assert.equal(status, 201, `${point}: ${JSON.stringify(json)}`)
        assert.equal(first, second, point)
        assert.equal(first === id, point !== 'host not asked', point)
        const rows = await controller.sql<{ id: string }>(
          `select id from sandbox where tags = $1 and state not in ('error', 'destroyed')`,
          [[point]],
        )
        assert.deepEqual(rows, [{ id: first }], point)
        assert.ok(host.vms.has(String(first)), point)
      }),
    )
  })

  test('never runs the command of a key again, and says what it knows of it', async () => {
    const sent: Record<string, Sent> = {}
    for (const point of POINTS)
      sent[point] = await sendTo(point, '/v1/sandboxes/run', { command: `echo ${point}`, tags: [`run ${point}`] })
    await killAmid(Object.values(sent))
    await Promise.all(
      POINTS.map(async (point) => {
        const { key, path, body } = sent[point] ?? assert.fail()
        const again = await send(path, body, key)
        if (point === 'answer kept')
          assert.deepEqual([again.status, textAt(again.json, 'exec', 'stdout')], [201, `${point}\n`])
        else assert.deepEqual([again.status, textAt(again.json, 'error', 'code')], [504, 'outcome_unknown'], point)
        const runs = host.commands.filter((line) => line.endsWith(`echo ${point}`)).length
        assert.ok(runs <= 1, `${point} ran ${runs} times`)
      }),
    )
  })

  test('that nobody waited for is what its caller was told, until it runs or is said to have failed', async () => {
    const key = randomUUID()
    host.mishaps.push({ kind: 'hang', until: never.promise })
    const first = await send('/v1/sandboxes', { wait: false }, key)
    const id = textAt(first.json, 'data', 'id')
    assert.deepEqual([first.status, textAt(first.json, 'data', 'state')], [201, 'creating'])
    await killAmid([])
    const again = await send('/v1/sandboxes', { wait: false }, key)
    assert.deepEqual(again.json, first.json)
    await until('it to be given up', async () => (await stateOf(id)) === 'error')
  })

  test('leaves no machine without a row, and no row that says it runs without a machine', async () => {
    await until(
      'the host and the rows to agree',
      async () => {
        const rows = await controller.sql<{ id: string }>('select id from sandbox where released_at is null')
        return rows.length === host.vms.size && rows.every(({ id }) => host.vms.has(id))
      },
      20_000,
    )
  })
})
