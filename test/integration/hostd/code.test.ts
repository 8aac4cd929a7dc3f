/** Contexts are part of their machine: frozen, copied and brought back with it, and waiting in it from the beginning. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Daemon } from '../../harness/host-daemon.ts'
import { runPython } from './code-calls.ts'
import { fork } from './fork/calls.ts'
import { create, spec } from './requests.ts'
import { pause, resume, untilOnDisk } from './standby/calls.ts'

let host: Daemon
before(async () => {
  host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '0' })
  for (const id of ['first', 'other']) await create(host, spec(id, { env: { WHO: id } }))
})
after(() => host?.stop())

test('the Python that waits in a new sandbox counts from one, knows its environment, and draws numbers of its own', async (t) => {
  const look = 'import os, random; (os.environ["WHO"], random.random())'
  const [first, other] = [await runPython(host, 'first', look), await runPython(host, 'other', look)]
  const later = await runPython(host, 'first', look)
  t.diagnostic(
    `first calls: ${Math.round(first.ms)} and ${Math.round(other.ms)} ms, a later one: ${Math.round(later.ms)}`,
  )
  assert.deepEqual([first.count, other.count], [1, 1])
  assert.match(first.shown ?? '', /^\('first', 0\.\d+\)$/)
  assert.match(other.shown ?? '', /^\('other', 0\.\d+\)$/)
  assert.notEqual(first.shown?.split(',')[1], other.shown?.split(',')[1])
})

test('what code has made is there after the disk, and in the children of a fork, and then each has its own', async () => {
  await runPython(host, 'first', 'made = [1]\nstream = iter(range(10)); next(stream);')
  await pause(host, 'first')
  await untilOnDisk(host, 'first')
  await resume(host, 'first')
  assert.equal((await runPython(host, 'first', '(made, next(stream))')).shown, '([1], 1)')
  await fork(host, 'first', 'child')
  assert.equal((await runPython(host, 'child', 'made.append(2); (made, next(stream))')).shown, '([1, 2], 2)')
  assert.equal((await runPython(host, 'first', '(made, next(stream))')).shown, '([1], 2)')
})

test('a daemon that was killed finds the contexts as they were', async () => {
  await host.signal('SIGKILL')
  await host.launch()
  await host.until(
    'the sandbox is back',
    60_000,
    async () => (await runPython(host, 'child', 'made')).shown === '[1, 2]',
  )
})
