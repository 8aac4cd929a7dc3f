/** What becomes of sandboxes that are paused on disk, and of those that cannot get there, when something fails around them. */
import assert from 'node:assert/strict'
import { open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { killMachine } from '../../../../origin/hostd/qemu/processes.ts'
import { Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, shell, spec } from '../requests.ts'
import { directoryOf } from '../snapshots/calls.ts'
import { openFull } from '../snapshots/mounted-place.ts'
import { parkedFiles, pause, resume, say, untilOnDisk, whereIs } from './calls.ts'

const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i > count.new; mv count.new count; sleep 0.1; done'

/** The id of the snapshot in which a sandbox is paused. */
async function standbyOf(host: Daemon, id: string): Promise<string> {
  const record = (await parkedFiles(host)).records.find((file) => file.endsWith('.json'))
  if (record === undefined) throw new Error(`${id} is not on disk.`)
  return record.slice(0, -'.json'.length)
}

describe('a host with sandboxes that run, that are paused, and that are paused on disk', { timeout: 600_000 }, () => {
  let host: Daemon
  before(async () => {
    host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '0' })
    for (const id of ['runs', 'stands', 'sleeps']) {
      await create(
        host,
        spec(id),
        shell(`echo ${id} > file; (${COUNTER}) >/dev/null 2>&1 & until [ -e count ]; do sleep 0.1; done`),
      )
    }
    await pause(host, 'sleeps')
    await untilOnDisk(host, 'sleeps')
    // From here on what is paused stays in memory, however slow everything is.
    await host.signal('SIGTERM')
    await host.launch({ ATOLL_STANDBY_AFTER_SEC: '3600' })
  })
  after(() => host?.stop())

  const goesOn = async (id: string): Promise<void> => {
    const count = async (): Promise<number> => Number(await say(host, id, 'cat count'))
    const then = await count()
    assert.equal(await say(host, id, 'cat file'), id)
    await host.until(`the processes of ${id} go on`, 60_000, async () => (await count()) > then)
  }

  // The commands of those who were told of the pause are theirs, whatever daemon answers when they come back.
  test('that is killed has all of them again, where they were, and their commands go on', async () => {
    const frozen = exec(host, 'stands', 'for i in 1 2 3 4 5 6; do echo $i >> told; sleep 0.5; done')
    const open = exec(host, 'runs', 'sleep 20')
    const cut = Promise.allSettled([frozen, open])
    await host.until('both run', 60_000, async () => (await say(host, 'stands', 'cat told')) !== '')
    await pause(host, 'stands')
    await host.signal('SIGKILL')
    await cut
    await host.launch()
    assert.deepEqual(
      [await whereIs(host, 'runs'), await whereIs(host, 'stands'), await whereIs(host, 'sleeps')],
      ['running', 'paused in memory', 'paused in disk'],
    )
    await resume(host, 'stands')
    await goesOn('runs')
    await goesOn('stands')
    assert.equal(
      await say(host, 'stands', 'until [ $(wc -l < told) = 6 ]; do sleep 0.1; done; tr -d "\\n" < told'),
      '123456',
    )
    assert.equal(await whereIs(host, 'sleeps'), 'paused in disk')
  })

  test('that is told to go brings all of them to disk, and the next daemon has them there', async () => {
    await pause(host, 'stands')
    await host.signal('SIGUSR2')
    assert.deepEqual([await host.machines(), await host.leftovers()], [[], []])
    await host.launch({ ATOLL_STANDBY_AFTER_SEC: '0' })
    for (const id of ['runs', 'stands', 'sleeps']) {
      assert.equal(await whereIs(host, id), 'paused in disk')
      assert.equal((await resume(host, id)).status, 200)
      await goesOn(id)
    }
  })

  test('whose machine is started again has those on disk, and says that the others are lost', async () => {
    await pause(host, 'sleeps')
    await untilOnDisk(host, 'sleeps')
    await host.signal('SIGKILL')
    await Promise.all((await host.machines()).map(killMachine))
    await rm(`${host.directory}/run`, { recursive: true })
    await host.launch()
    const { vms, lost } = await host.inventory()
    assert.deepEqual([vms.map(({ id }) => id), lost.map(({ id }) => id).sort()], [['sleeps'], ['runs', 'stands']])
    for (const id of ['runs', 'stands']) await host.send('DELETE', `/v1/vms/${id}`)
    await resume(host, 'sleeps')
    await goesOn('sleeps')
  })

  test('loses the one whose state on disk is spoilt, with the reason, and no other', async () => {
    await create(host, spec('spoilt'), shell('true'))
    await pause(host, 'spoilt')
    await untilOnDisk(host, 'spoilt')
    const directory = await directoryOf(host, await standbyOf(host, 'spoilt'))
    await using file = await open(join(directory, 'memory.pages'), 'r+')
    await file.write(Buffer.from('spoilt'), 0, 6, 8192)
    assert.equal((await resume(host, 'spoilt')).status, 502)
    const { lost } = await host.inventory()
    assert.match(lost.find(({ id }) => id === 'spoilt')?.reason ?? '', /damaged/)
    await host.send('DELETE', '/v1/vms/spoilt')
    await goesOn('sleeps')
  })

  test('that finds the state of one gone says so when it starts, and has the others', async () => {
    await create(host, spec('gone'), shell('true'))
    await pause(host, 'gone')
    await untilOnDisk(host, 'gone')
    const directory = await directoryOf(host, await standbyOf(host, 'gone'))
    await host.signal('SIGTERM')
    await rm(directory, { recursive: true })
    await host.launch()
    assert.match((await host.inventory()).lost.find(({ id }) => id === 'gone')?.reason ?? '', /gone/)
    await host.send('DELETE', '/v1/vms/gone')
    await goesOn('sleeps')
    const { records, snapshots } = await parkedFiles(host)
    assert.deepEqual([records, snapshots], [[], []])
  })
})

const NO_ROOM = [
  {
    why: 'snapshots have their room already',
    code: 'snapshot_space_exhausted',
    settings: { ATOLL_SNAPSHOT_DISK_MIB: '0' },
    openPlace: async () => undefined,
  },
  { why: 'the disk is full', code: 'host_disk_exhausted', settings: {}, openPlace: openFull },
]

// Nothing that a sandbox has may depend on there being room for a copy of it.
for (const { why, code, settings, openPlace } of NO_ROOM)
  test(`a sandbox stays paused in memory when ${why}, goes on from there, and the host says so`, async () => {
    await using place = await openPlace()
    const host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '0', ...settings }, place)
    await using _host = { [Symbol.asyncDispose]: () => host.stop() }
    await create(host, spec('box'), shell('echo here > file'))
    await pause(host, 'box')
    const metrics = async (): Promise<string> => (await host.send('GET', '/metrics')).body
    await host.until('it was tried', 60_000, async () =>
      (await metrics()).includes(`standby_failures_total{code="${code}"} 1`),
    )
    assert.equal(await whereIs(host, 'box'), 'paused in memory')
    assert.equal((await resume(host, 'box')).status, 200)
    assert.equal(await say(host, 'box', 'cat file'), 'here')
    await pause(host, 'box')
    await host.signal('SIGUSR2')
    assert.equal((await host.machines()).length, 1)
    assert.deepEqual(await readdir(join(host.stateDir, 'snapshots')), [])
    await host.launch()
    assert.equal(await whereIs(host, 'box'), 'paused in memory')
    await resume(host, 'box')
    assert.equal(await say(host, 'box', 'cat file'), 'here')
  })
