/** kill -9 of a real controller, wherever it stands: nothing acknowledged is lost, nothing runs twice, no machine is without a row. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type HostDouble, startHostDouble } from './support/host-double.ts'
import { type ControllerProcess, startControllerProcess } from './support/process.ts'
import { textAt, until } from './support/region.ts'

describe('a controller that is killed', { timeout: 600_000 }, () => {
  let host: HostDouble
  let controller: ControllerProcess
  before(async () => {
    host = await startHostDouble('h1')
    controller = await startControllerProcess(host)
  })
  after(async () => {
    await controller?.remove()
    await host?.close()
  })

  const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const response = await fetch(controller.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${controller.key}`, ...headers },
      body: JSON.stringify(body),
    })
    return { status: response.status, headers: response.headers, json: (await response.json()) as unknown }
  }
  const restart = async (): Promise<void> => {
    await controller.kill('SIGKILL')
    await controller.start()
  }

  test('finds its database where it left it, and every sandbox in it', async () => {
    const made = await post('/v1/sandboxes', {})
    const id = textAt(made.json, 'data', 'id')
    const { databasePid } = controller
    await restart()
    assert.equal(controller.databasePid, databasePid, 'the server that was left running is adopted')
    const ran = await post(`/v1/sandboxes/${id}/exec`, { command: 'echo still' })
    assert.equal(textAt(ran.json, 'data', 'stdout'), 'still\n')
  })

  test('in the middle of a create gives the same key the same sandbox', async () => {
    const gate = Promise.withResolvers<void>()
    host.mishaps.push({ kind: 'hang', until: gate.promise })
    const key = randomUUID()
    const first = post('/v1/sandboxes', {}, { 'idempotency-key': key }).catch(() => 'cut')
    const claimed = () => controller.sql<{ sandbox: string }>('select sandbox from idempotency where key = $1', [key])
    await until('the claim', async () => (await claimed()).length === 1)
    const [claim] = await claimed()
    await controller.kill('SIGKILL')
    assert.equal(await first, 'cut')
    gate.resolve()
    await controller.start()
    const again = await post('/v1/sandboxes', {}, { 'idempotency-key': key })
    assert.equal(again.status, 201)
    assert.equal(textAt(again.json, 'data', 'id'), claim?.sandbox)
  })

  test('in the middle of a command never runs it again, and says so', async () => {
    const key = randomUUID()
    const body = { command: 'sleep 1' }
    const first = post('/v1/sandboxes/run', body, { 'idempotency-key': key }).catch(() => 'cut')
    await until('the command', () => host.commands.some((line) => line.endsWith('sleep 1')))
    await restart()
    assert.equal(await first, 'cut')
    const again = await post('/v1/sandboxes/run', body, { 'idempotency-key': key })
    assert.deepEqual([again.status, textAt(again.json, 'error', 'code')], [504, 'outcome_unknown'])
    assert.equal(host.commands.filter((line) => line.endsWith('sleep 1')).length, 1)
  })

  test('at random moments of many lifecycles loses nothing it has acknowledged and leaves no stray', async () => {
    const acknowledged = new Set<string>()
    let made = 0
    let isOver = false
    const live = async (): Promise<void> => {
      while (!isOver) {
        const answer = await post('/v1/sandboxes', {}).catch(() => undefined)
        if (answer?.status !== 201) {
          await sleep(20)
          continue
        }
        const id = textAt(answer.json, 'data', 'id')
        acknowledged.add(id)
        made += 1
        if (Math.random() < 0.5) continue
        // Whatever becomes of the answer, the intent to destroy may have been written.
        acknowledged.delete(id)
        const headers = { authorization: `Bearer ${controller.key}` }
        await fetch(`${controller.url}/v1/sandboxes/${id}`, { method: 'DELETE', headers }).catch(() => {})
      }
    }
    const living = Array.from({ length: 4 }, live)
    for (let kills = 0; kills < 5; kills++) {
      // However slow the machine is, there is something to lose before each kill.
      const enough = made + 5
      await until('lifecycles to go on', () => made >= enough)
      await sleep(Math.random() * 300)
      await restart()
    }
    isOver = true
    await Promise.all(living)

    await until(
      'the host and the rows to agree',
      async () => {
        const rows = await controller.sql<{ id: string; state: string }>(
          'select id, state from sandbox where released_at is null',
        )
        const isSettled = rows.every(({ id, state }) => (state === 'running' || state === 'paused') && host.vms.has(id))
        return isSettled && rows.length === host.vms.size
      },
      30_000,
    )
    const lost = [...acknowledged].filter((id) => !host.vms.has(id))
    assert.deepEqual(lost, [])
  })

  test('and one that is told to stop answers what came in, and stops its database', async () => {
    const gate = Promise.withResolvers<void>()
    host.mishaps.push({ kind: 'hang', until: gate.promise })
    const making = post('/v1/sandboxes', { name: 'last one' })
    await until(
      'the row',
      async () => (await controller.sql(`select from sandbox where name = 'last one'`)).length === 1,
    )
    const stopped = controller.kill('SIGTERM')
    await until('the drain', async () => {
      const refused = await post('/v1/sandboxes', {})
      return textAt(refused.json, 'error', 'code') === 'draining' && refused.headers.get('x-not-executed') === '1'
    })
    gate.resolve()
    assert.equal((await making).status, 201)
    await stopped
    await assert.rejects(controller.sql('select 1'), 'the database has stopped, too')
  })

  test('and one that cannot start leaves no database behind', async () => {
    const inUse = createServer().listen(0, '127.0.0.1')
    await once(inUse, 'listening')
    const { port } = inUse.address() as AddressInfo
    await assert.rejects(controller.start({ ATOLL_LISTEN: `127.0.0.1:${port}` }), /EADDRINUSE/)
    inUse.close()
    await assert.rejects(controller.sql('select 1'), 'the database was stopped again')
    await controller.start()
  })
})
