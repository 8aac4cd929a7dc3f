/** Where there is no room for a snapshot, it is refused, nothing is left of it, and the sandbox goes on. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Daemon, type Place } from '../../../harness/host-daemon.ts'
import { create, exec, readyOf, shell, spec, textOf } from '../requests.ts'
import { ask, createFrom, list, stored, take } from './calls.ts'
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
  await host.until('nothing is left', 5_000, async () => {
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

// Whoever collects templates, another daemon or an operator, does not know who made snapshots of their clones.
test('a template that is taken away is missed by nobody who came from it, nor by snapshots that are taken afterwards', async () => {
  const own = await mkdtemp(join(tmpdir(), 'templates-'))
  try {
    const machine = { vcpus: 1, memoryMib: 512, diskMib: 2_000 }
    await withHost({ ATOLL_TEMPLATE_DIR: own }, undefined, async (host) => {
      const booted = await create(
        host,
        spec('booted', { machine }),
        shell('echo cold > file; (sleep 1000 & echo $! > pid)'),
      )
      assert.equal(readyOf(booted).boot_path, 'cold')
      await take(host, 'booted', 'cold')
      const child = await createFrom(host, 'child', 'cold', 'cat file; kill -0 $(cat pid) && echo alive')
      assert.equal(textOf(child), 'cold\nalive\n', 'a machine that was booted has a memory of its own')

      await host.until('its template is made', 120_000, async () =>
        (await readdir(own)).some((name) => /-[0-9a-f]{16}$/.test(name)),
      )
      const clone = await create(host, spec('clone', { machine }), shell('echo warm > file'))
      assert.equal(readyOf(clone).boot_path, 'restore')
      await rm(own, { recursive: true, force: true })
      await take(host, 'clone', 'warm')
      await host.signal('SIGKILL')
      await host.launch()
      assert.equal(textOf(await createFrom(host, 'again', 'warm', 'cat file')), 'warm\n')
    })
  } finally {
    await rm(own, { recursive: true, force: true })
  }
})
