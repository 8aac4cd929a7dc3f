/** A daemon that is killed in front of many sandboxes: a few by default, twenty that run and five that are paused with ATOLL_TEST_CROWD=20. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Pool } from 'undici'
import { guestProcess, outputPiece } from '../../../../shared/contracts/guest-processes.ts'
import { FRAME, FrameDecoder } from '../../../../shared/frames.ts'
import { Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, exitOf, shell, spec } from '../requests.ts'
import { pause, resume, whereIs } from './calls.ts'

const RUNNING = Number(process.env.ATOLL_TEST_CROWD ?? 4)
const PAUSED = Math.ceil(RUNNING / 4)
const REST = 'is a line that is told once'
/** Counts until it is told that it is enough. A builtin waits between two lines: with a process for each, so many would wait for one another. */
const COUNT = `exec 9<> <(:); i=0; until [ -e enough ]; do echo "$((i += 1)) ${REST}"; read -t 0.25 -u 9; done; echo "that was $i"`
const COUNTING = {
  ...{ argv: ['/bin/bash', '-c', COUNT], cwd: '/workspace', env: {}, user: 'sandbox' },
  ...{ stdin_open: false, timeout_ms: 0, name: '', shown: 'count' },
}
const told = (count: number): string =>
  `${Array.from({ length: count }, (_, index) => `${index + 1} ${REST}\n`).join('')}that was ${count}\n`
/** How many are made, or told something, at a time. */
const AT_ONCE = 2
const BEGUN_MS = 60_000

/** How far a reader has come in what a process says. */
type Reading = { id: string; process: string; heard: Buffer }

async function eachOf<T>(all: readonly T[], deed: (one: T) => Promise<void>): Promise<void> {
  const left = all.values()
  const hand = async (): Promise<void> => {
    for (const one of left) await deed(one)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, hand))
}

describe('a daemon that is killed in front of many sandboxes', { timeout: 600_000 }, () => {
  let host: Daemon
  let client: Pool
  const readings: Reading[] = []
  before(async () => {
    host = await Daemon.start()
    client = new Pool('http://host', { socketPath: `${host.directory}/hostd.sock`, connections: 64, bodyTimeout: 0 })
    const ids = Array.from({ length: RUNNING + PAUSED }, (_, index) => `crowd-${index}`)
    await eachOf(ids, async (id) => {
      assert.equal(exitOf(await create(host, spec(id), shell('true'))).exit_code, 0)
      const started = await host.send('POST', `/v1/vms/${id}/guest/processes`, COUNTING)
      assert.equal(started.status, 200, started.body)
      readings.push({ id, process: guestProcess.parse(JSON.parse(started.body)).id, heard: Buffer.alloc(0) })
    })
  })
  after(async () => {
    await client?.destroy()
    await host?.stop()
  })

  /** Goes on from where it is until the process has ended (true), or the stream has broken (false). */
  async function read(reading: Reading): Promise<boolean> {
    const path = `/v1/vms/${reading.id}/guest/processes/${reading.process}/output?stdout=${reading.heard.length}&stderr=0&follow=1`
    const { statusCode, body } = await client.request({ method: 'GET', path })
    assert.equal(statusCode, 200)
    const decoder = new FrameDecoder()
    try {
      for await (const chunk of body) {
        for (const frame of decoder.push(chunk)) {
          assert.notEqual(frame.type, FRAME.lost, 'nothing fell out of what the agent keeps')
          if (frame.type === FRAME.exited) return true
          if (frame.type !== FRAME.stdout) continue
          const { position, bytes } = outputPiece(frame)
          assert.equal(position, reading.heard.length)
          reading.heard = Buffer.concat([reading.heard, bytes])
        }
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
    }
    return false
  }

  test('has all of them again, and every stream goes on where it broke off, without a byte lost or said twice', async (t) => {
    const [running, paused] = [readings.slice(0, RUNNING), readings.slice(RUNNING)]
    const open = running.map(read)
    await host.until('every stream has begun', BEGUN_MS, async () => running.every(({ heard }) => heard.length > 0))
    for (const { id } of paused) await pause(host, id)
    await host.signal('SIGKILL')
    const before = new Map(readings.map(({ id, heard }) => [id, heard.length]))
    assert.deepEqual(new Set(await Promise.all(open)), new Set([false]), 'every stream broke off')
    const sinceMs = performance.now()
    await host.launch()
    t.diagnostic(
      `${RUNNING} that ran and ${PAUSED} that were paused: back after ${Math.round(performance.now() - sinceMs)} ms`,
    )
    for (const { id } of running) assert.equal(await whereIs(host, id), 'running')
    for (const { id } of paused) assert.equal(await whereIs(host, id), 'paused in memory')
    await Promise.all(paused.map(({ id }) => resume(host, id)))
    const again = readings.map(read)
    await eachOf(readings, async ({ id }) => {
      assert.equal(exitOf(await exec(host, id, 'touch enough')).exit_code, 0)
    })
    assert.deepEqual(new Set(await Promise.all(again)), new Set([true]), 'every process came to its end')
    for (const { id, heard } of readings) {
      const text = heard.toString()
      assert.equal(text, told(Number(text.trim().split(' ').at(-1))), id)
      assert.ok(heard.length > (before.get(id) ?? 0), `${id} spoke before and after`)
    }
    t.diagnostic(`${readings.reduce((sum, { heard }) => sum + heard.length, 0)} bytes in ${readings.length} streams`)
  })

  test('leaves nothing behind when they are destroyed', async () => {
    await Promise.all(readings.map(({ id }) => host.send('DELETE', `/v1/vms/${id}`)))
    assert.deepEqual([(await host.inventory()).vms, await host.machines()], [[], []])
  })
})
