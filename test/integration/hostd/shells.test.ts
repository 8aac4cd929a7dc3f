/** Processes that are started ahead, and what becomes of them. On a file system with reflinks, where also snapshots take them. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, readyOf, shell, spec, textOf } from './requests.ts'
import { createFrom, take } from './snapshots/calls.ts'
import { type MountedPlace, openXfs } from './snapshots/mounted-place.ts'

let place: MountedPlace
let host: Daemon
before(async () => {
  place = await openXfs()
  host = await Daemon.start({ ATOLL_SHELLS: '1' }, place)
})
after(async () => {
  await host?.stop()
  await place?.[Symbol.asyncDispose]()
})

/** Those that belong to no sandbox, when there are `count`. */
async function waiting(count: number): Promise<number[]> {
  const { vms } = await host.inventory()
  const total = count + vms.length
  await host.until(`${count} wait`, 60_000, async () => (await host.machines()).length === total)
  const owned = await Promise.all(vms.map(async ({ id }) => (await host.machineOf(id)).pid))
  return (await host.machines()).map(({ pid }) => pid).filter((pid) => !owned.includes(pid))
}

test('a restored sandbox takes the process that waits, and another one is started for the next', async () => {
  await create(host, spec('first'), shell('true'))
  const ahead = await waiting(1)
  const second = await create(host, spec('second'), shell('echo 1 > file; hostname'))
  assert.equal(readyOf(second).boot_path, 'restore')
  assert.equal(textOf(second), 'second\n')
  assert.deepEqual(ahead, [(await host.machineOf('second')).pid])
  assert.notDeepEqual(await waiting(1), ahead)
})

// The process was started over an empty disk and the template's memory, and must have neither afterwards.
test('a snapshot goes on in the process that waits, with its own disk and memory', async () => {
  await take(host, 'second', 'kept')
  const ahead = await waiting(1)
  const restored = await createFrom(host, 'third', 'kept', 'cat file; echo 2 > file; sync; cat file')
  assert.equal(textOf(restored), '1\n2\n')
  assert.deepEqual(ahead, [(await host.machineOf('third')).pid])
})

test('what waits ends with a daemon that is killed or stopped, and the sandboxes stay', async () => {
  const [ahead] = await waiting(1)
  await host.signal('SIGKILL')
  await host.launch()
  assert.equal((await host.machines()).length, 3)
  assert.ok((await host.machines()).every(({ pid }) => pid !== ahead))
  await create(host, spec('fourth'), shell('true'))
  await waiting(1)
  await host.signal('SIGTERM')
  assert.equal((await host.machines()).length, 4)
})
