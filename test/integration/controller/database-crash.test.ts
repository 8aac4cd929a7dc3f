/** kill -9 of the embedded PostgreSQL under a living controller: it is back within seconds, and nothing acknowledged is lost. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type HostDouble, startHostDouble } from './support/host-double.ts'
import { type ControllerProcess, startControllerProcess } from './support/process.ts'
import { at, textAt, until } from './support/region.ts'

describe('an embedded database that is killed', { timeout: 600_000 }, () => {
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

  const ask = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const response = await fetch(controller.url + path, {
      method,
      headers: { authorization: `Bearer ${controller.key}`, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, text, json: (text === '' ? {} : JSON.parse(text)) as unknown }
  }
  const create = async (): Promise<string> => {
    const made = await ask('POST', '/v1/sandboxes', {})
    assert.equal(made.status, 201, made.text)
    return textAt(made.json, 'data', 'id')
  }
  const echoes = async (id: string): Promise<boolean> => {
    const ran = await ask('POST', `/v1/sandboxes/${id}/exec`, { command: 'echo here' })
    return ran.status === 200 && textAt(ran.json, 'data', 'stdout') === 'here\n'
  }
  const isKnownAlive = async (): Promise<boolean> => {
    const rows = await controller.sql<{ alive: boolean }>('select instance_alive($1) as alive', [controller.instance])
    return rows[0]?.alive === true
  }

  test('with all of its processes serves again within seconds, with every row that was acknowledged', async () => {
    const key = randomUUID()
    const first = await ask('POST', '/v1/sandboxes', {}, { 'idempotency-key': key })
    const before = [textAt(first.json, 'data', 'id'), await create(), await create()]
    const acknowledged = new Set(before)
    let isOver = false
    const live = async (): Promise<void> => {
      while (!isOver) {
        const made = await ask('POST', '/v1/sandboxes', {})
        if (made.status === 201) acknowledged.add(textAt(made.json, 'data', 'id'))
        else {
          const code = textAt(made.json, 'error', 'code')
          assert.ok(['database_unavailable', 'region_unavailable'].includes(code), made.text)
          await sleep(20)
        }
      }
    }
    const living = Promise.all([live(), live()])
    const [oldest = ''] = before
    try {
      await until('creates to be under way', () => acknowledged.size > 5)

      const pid = controller.databasePid
      killAll([pid, ...childrenOf(pid)])
      assert.equal((await ask('GET', '/readyz')).status, 503)
      assert.equal((await ask('GET', '/healthz')).status, 200)
      await until('a command to run', () => echoes(oldest))
      await until('the new server to be on record', () => controller.databasePid !== pid)
      const soFar = acknowledged.size
      await until('creates to go on', () => acknowledged.size > soFar + 5)
    } finally {
      isOver = true
      await living
    }

    for (const id of acknowledged) assert.equal((await ask('GET', `/v1/sandboxes/${id}`)).status, 200, id)
    const again = await ask('POST', '/v1/sandboxes', {}, { 'idempotency-key': key })
    assert.equal(textAt(again.json, 'data', 'id'), oldest, 'what was kept under a key is still there')
    assert.equal((await ask('GET', '/readyz')).status, 200)
    await until('the controller to be known as alive', isKnownAlive)
    await until(
      'the host and the rows to agree',
      async () => {
        const rows = await controller.sql<{ id: string; state: string }>(
          'select id, state from sandbox where released_at is null',
        )
        return rows.length === host.vms.size && rows.every(({ id, state }) => state === 'running' && host.vms.has(id))
      },
      30_000,
    )
    assert.deepEqual(
      [...acknowledged].filter((id) => !host.vms.has(id)),
      [],
    )
  })

  // Whoever adopted it is not its parent, and hears of no exit.
  test('after it was adopted is started again as well, while its own processes are still ending', async () => {
    const id = await create()
    await controller.kill('SIGKILL')
    await controller.start()
    assert.ok(controller.events.some((line) => line.includes('database.adopted')))
    process.kill(controller.databasePid, 'SIGKILL')
    await until('the loss to be noticed', () => controller.events.some((line) => line.includes('database.lost')))
    await until('a command to run', () => echoes(id))
    await until('the controller to be known as alive', isKnownAlive)
  })

  test('again and again is started again each time, and a controller that is told to stop stops it for good', async () => {
    const id = await create()
    for (let kills = 0; kills < 3; kills++) {
      const pid = controller.databasePid
      process.kill(pid, 'SIGKILL')
      await until('another server', () => controller.databasePid !== pid)
      await until('a command to run', () => echoes(id))
    }
    process.kill(controller.databasePid, 'SIGKILL')
    await controller.kill('SIGTERM')
    await assert.rejects(controller.sql('select 1'), 'no server has been left behind')
    await sleep(1_000)
    await assert.rejects(controller.sql('select 1'), 'nor has one come back')
  })
})

/** Those of a server that is gone may end before their turn comes. */
function killAll(pids: number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (err) {
      if (at(err, 'code') !== 'ESRCH') throw err
    }
  }
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => parentOf(pid) === parent)
}

/** Undefined when it has just ended. After the name, which may contain anything but ends with the last bracket: state, parent. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}
