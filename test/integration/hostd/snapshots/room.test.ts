/** Where there is no room for a snapshot, it is refused, nothing is left of it, and the sandbox goes on. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Daemon, type Place } from '../../../harness/host-daemon.ts'
import { create, exec, shell, spec, textOf } from '../requests.ts'
import { ask, list, stored } from './calls.ts'
import { openFull } from './mounted-place.ts'

const EMPTY = { snapshots: [], layers: [] }

async function withHost(
  settings: Record<string, string>,
  place: Place | undefined,
  use: (host: Daemon) => Promise<void>,
) {
  const host = await Daemon.start(settings, place)
  try {
    await use(host)
  } finally {
    await host.stop()
  }
}

async function refusedCleanly(host: Daemon, code: RegExp): Promise<void> {
  await create(host, spec('parent'), shell('echo kept > file'))
  for (const id of ['a', 'b']) assert.match((await ask(host, 'parent', id)).body, code)
  assert.equal(textOf(await exec(host, 'parent', 'cat file')), 'kept\n')
  assert.deepEqual(await list(host), [])
  await host.until('nothing is left', 60_000, async () => {
    const { snapshots, layers } = await stored(host)
    return JSON.stringify({ snapshots, layers }) === JSON.stringify(EMPTY)
  })
  const { name } = await host.machineOf('parent')
  const files = (await readdir(join(host.stateDir, 'machines', name))).sort()
  assert.deepEqual(files, ['disk.qcow2', 'record.json'])
}

test('a disk that is full when the pages are written', async () => {
  await using place = await openFull()
  await withHost({}, place, (host) => refusedCleanly(host, /host_disk_exhausted/))
})

test('a budget that is used up', async () => {
  await withHost({ ATOLL_SNAPSHOT_DISK_MIB: '1' }, undefined, (host) =>
    refusedCleanly(host, /snapshot_space_exhausted/),
  )
})
