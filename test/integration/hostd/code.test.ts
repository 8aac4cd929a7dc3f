/** Contexts are part of their machine: frozen, copied and brought back with it, and waiting in it from the beginning. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Pool } from 'undici'
import { type CodeEvent, codeEvents } from '../../../origin/controller/code/code-events.ts'
import type { GuestCodeOrder } from '../../../shared/contracts/guest-code.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { fork } from './fork/calls.ts'
import { create, spec } from './requests.ts'
import { pause, resume, untilOnDisk } from './standby/calls.ts'

let host: Daemon
let client: Pool
before(async () => {
  host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '0' })
  client = new Pool('http://host', { socketPath: `${host.directory}/hostd.sock`, bodyTimeout: 60_000 })
  for (const id of ['first', 'other']) await create(host, spec(id, { env: { WHO: id } }))
})
after(async () => {
  await client?.destroy()
  await host?.stop()
})

const OUTPUT_BYTES_MAX = 64 * 1024

async function run(id: string, code: string): Promise<{ shown: string | undefined; count: number }> {
  const order: GuestCodeOrder = {
    code,
    language: 'python',
    env: {},
    timeout_ms: 30_000,
    output_bytes_max: OUTPUT_BYTES_MAX,
  }
  const { body } = await client.request({
    method: 'POST',
    path: `/v1/vms/${id}/guest/code`,
    headers: { 'atoll-work': '1' },
    body: JSON.stringify(order),
  })
  const events: CodeEvent[] = []
  for await (const batch of codeEvents(body, OUTPUT_BYTES_MAX)) events.push(...batch)
  const shown = events.find((event) => event.type === 'result')?.result.text
  const count = events.find((event) => event.type === 'started')?.started.execution_count
  return { shown, count: count ?? -1 }
}

test('the Python that waits in a new sandbox counts from one, knows its environment, and draws numbers of its own', async (t) => {
  const look = 'import os, random; (os.environ["WHO"], random.random())'
  const began = performance.now()
  const [first, other] = [await run('first', look), await run('other', look)]
  t.diagnostic(`two first calls: ${Math.round(performance.now() - began)} ms`)
  assert.deepEqual([first.count, other.count], [1, 1])
  assert.match(first.shown ?? '', /^\('first', 0\.\d+\)$/)
  assert.match(other.shown ?? '', /^\('other', 0\.\d+\)$/)
  assert.notEqual(first.shown?.split(',')[1], other.shown?.split(',')[1])
})

test('what code has made is there after the disk, and in the children of a fork, and then each has its own', async () => {
  await run('first', 'made = [1]\nstream = iter(range(10)); next(stream);')
  await pause(host, 'first')
  await untilOnDisk(host, 'first')
  await resume(host, 'first')
  assert.equal((await run('first', '(made, next(stream))')).shown, '([1], 1)')
  await fork(host, 'first', 'child')
  assert.equal((await run('child', 'made.append(2); (made, next(stream))')).shown, '([1, 2], 2)')
  assert.equal((await run('first', '(made, next(stream))')).shown, '([1], 2)')
})

test('a daemon that was killed finds the contexts as they were', async () => {
  await host.signal('SIGKILL')
  await host.launch()
  await host.until('the sandbox is back', 30_000, async () => (await run('child', 'made')).shown === '[1, 2]')
})
