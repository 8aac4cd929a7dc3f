/** What is promised about snapshots, on whatever file system the host keeps them. */
import assert from 'node:assert/strict'
import { cp, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FRAME } from '../../../../shared/frames.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { Daemon, type Place } from '../../../harness/host-daemon.ts'
import { create, exec, isNow, readyOf, shell, spec, textOf, typesOf } from '../requests.ts'
import { ask, createFrom, directoryOf, list, remove, stored, take } from './calls.ts'

const RESUMED = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 }
/** Counts in memory, ten times a second, and writes down where it is. */
const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i > .count; mv .count count; sleep 0.1; done'

export function snapshotPromises(
  fileSystem: string,
  openPlace: () => Promise<(Place & AsyncDisposable) | undefined>,
): void {
  describe(`a snapshot on ${fileSystem}`, { timeout: 600_000 }, () => {
    let place: (Place & AsyncDisposable) | undefined
    let host: Daemon
    before(async () => {
      place = await openPlace()
      host = await Daemon.start({}, place)
      await create(
        host,
        spec('parent', { env: { WHO: 'parent' } }),
        shell(`echo first > file; (${COUNTER}) >/dev/null 2>&1 & until [ -e count ]; do sleep 0.1; done`),
      )
    })
    after(async () => {
      await host?.stop()
      await place?.[Symbol.asyncDispose]()
    })
    const say = async (id: string, line: string): Promise<string> => textOf(await exec(host, id, line)).trim()
    const end = (id: string) => host.send('DELETE', `/v1/vms/${id}`)

    test('is taken while commands run, and they go on and miss nothing', async () => {
      const stream = exec(host, 'parent', 'for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.2; done')
      await sleep(600)
      const snapshot = await take(host, 'parent', 'one')
      assert.equal(textOf(await stream), '1\n2\n3\n4\n5\n6\n7\n8\n9\n')
      assert.ok(snapshot.stopped_ms > 0 && snapshot.bytes > 0)
      assert.deepEqual(
        (await list(host)).map(({ id, sandbox }) => [id, sandbox]),
        [['one', 'parent']],
      )
    })

    test('goes on in a new sandbox: files, processes, memory and environment of that instant, and the time of now', async () => {
      await say('parent', 'echo later >> file; touch other')
      const sinceMs = Date.now()
      const run = await createFrom(host, 'child', 'one', 'cat file; ls; echo $WHO; hostname; date +%s; cat count')
      assert.equal(readyOf(run).boot_path, 'restore')
      const [file, count, name, who, hostname, seconds, then] = textOf(run).trim().split('\n')
      assert.deepEqual([file, count, name, who, hostname], ['first', 'count', 'file', 'parent', 'child'])
      assert.ok(isNow(Number(seconds), sinceMs), seconds)
      const countNow = async (): Promise<number> => Number(await say('child', 'cat count'))
      await host.until('its processes go on', 60_000, async () => (await countNow()) > Number(then))
      assert.equal(await say('parent', 'cat file'), 'first\nlater')
    })

    test('of a sandbox that came from one holds what both changed, and clones share nothing that is written', async () => {
      await say('child', 'echo grown >> file')
      await take(host, 'child', 'two')
      await say('child', 'echo after >> file')
      assert.equal(
        textOf(await createFrom(host, 'grandchild', 'two', 'cat file; cat /proc/sys/kernel/random/uuid > uuid')).trim(),
        'first\ngrown',
      )
      assert.equal(
        textOf(await createFrom(host, 'sibling', 'two', 'cat file; cat /proc/sys/kernel/random/uuid > uuid')).trim(),
        'first\ngrown',
      )
      assert.notEqual(await say('grandchild', 'cat uuid'), await say('sibling', 'cat uuid'))
      await end('sibling')
    })

    test('asked for again is the same one; its id is good for no other sandbox, and an unknown one for nothing', async () => {
      const [first] = await list(host)
      assert.deepEqual(await take(host, 'parent', 'one'), first)
      assert.equal((await ask(host, 'child', 'one')).status, 409)
      assert.equal((await ask(host, 'nobody', 'three')).status, 404)
      assert.equal((await ask(host, 'parent', '')).status, 422)
      assert.equal((await createFrom(host, 'x', 'never', 'true')).status, 404)
      const racing = await Promise.all([1, 2, 3].map(() => take(host, 'parent', 'raced')))
      assert.deepEqual(racing[1], racing[0])
      assert.deepEqual(racing[2], racing[0])
      assert.equal((await remove(host, 'raced')).status, 204)
    })

    test('whose id is a path stays where all others are', async () => {
      const id = '../../escape'
      await take(host, 'parent', id)
      assert.deepEqual((await list(host)).filter((snapshot) => snapshot.id === id).length, 1)
      assert.equal((await remove(host, encodeURIComponent(id))).status, 204)
      assert.deepEqual(
        (await list(host)).filter((snapshot) => snapshot.id === id),
        [],
      )
    })

    test('of a paused sandbox is taken without waking it', async () => {
      await say('grandchild', 'echo paused >> file')
      await host.send('POST', '/v1/vms/grandchild/pause')
      assert.equal((await take(host, 'grandchild', 'still')).stopped_ms, 0)
      assert.equal((await host.inventory()).vms.find(({ id }) => id === 'grandchild')?.state, 'paused')
      assert.match(textOf(await createFrom(host, 'from-still', 'still', 'cat file')), /paused/)
      await end('from-still')
      await remove(host, 'still')
      assert.equal((await host.send('POST', '/v1/vms/grandchild/resume', RESUMED)).status, 200)
      assert.match(await say('grandchild', 'cat file'), /paused/)
    })

    test('waits for what is changed at the same time, and one of a sandbox that is destroyed leaves nothing', async () => {
      await createFrom(host, 'busy', 'one', 'true')
      const [taken, paused] = await Promise.all([ask(host, 'busy', 'amid'), host.send('POST', '/v1/vms/busy/pause')])
      assert.deepEqual([taken.status, paused.status], [200, 200])
      assert.equal((await host.inventory()).vms.find(({ id }) => id === 'busy')?.state, 'paused')
      await host.send('POST', '/v1/vms/busy/resume', RESUMED)
      const doomed = ask(host, 'busy', 'doomed')
      await sleep(30)
      await end('busy')
      if ((await doomed).status === 200) await remove(host, 'doomed')
      await remove(host, 'amid')
      const kept = await list(host)
      assert.deepEqual(kept.map(({ id }) => id).sort(), ['one', 'two'])
      assert.equal((await stored(host)).snapshots.length, kept.length)
    })

    // Everything that is made of it would be as deaf, and somebody would find out much later.
    test('is refused while the agent does not answer', async () => {
      await createFrom(host, 'deaf', 'one', 'true')
      const unbind = 'cd /sys/bus/virtio/drivers/virtio_console && for port in virtio*; do echo $port > unbind; done'
      await exec(host, 'deaf', `(sleep 0.3; ${unbind}) >/dev/null 2>&1 &`, { user: 'root' })
      await host.until('it answers no more', 60_000, async () => {
        return !typesOf(await exec(host, 'deaf', 'true')).includes(FRAME.exited)
      })
      assert.match((await ask(host, 'deaf', 'never')).body, /guest_unreachable|sandbox_lost/)
      await end('deaf')
    })

    test('outlives a killed daemon with its sandboxes, and a removed one what came from it', async () => {
      assert.equal((await remove(host, 'two')).status, 204)
      assert.equal((await remove(host, 'two')).status, 204)
      await host.signal('SIGKILL')
      await host.launch()
      assert.deepEqual(
        (await list(host)).map(({ id }) => id),
        ['one'],
      )
      assert.match(await say('grandchild', 'cat file'), /grown/)
      await take(host, 'grandchild', 'three')
      assert.match(textOf(await createFrom(host, 'last', 'three', 'cat file')), /grown/)
      await end('last')
      await remove(host, 'three')
    })

    // Where every snapshot adds a layer, a disk would else be a hundred files after a hundred of them.
    test('may be taken as often as one likes: what a machine is made of stays bounded, and the oldest is still good', async () => {
      const before = await say('grandchild', 'echo oldest >> file; wc -l < file')
      await take(host, 'grandchild', 'oldest')
      for (let i = 0; i <= LIMITS.diskLayersMax; i++) {
        await say('grandchild', `echo ${i} >> file`)
        await take(host, 'grandchild', `many-${i}`)
        if (i > 0) await remove(host, `many-${i - 1}`)
      }
      const { name, pid } = await host.machineOf('grandchild')
      const record = await readFile(join(host.stateDir, 'machines', name, 'record.json'), 'utf8')
      assert.ok(JSON.parse(record).lineage.layers.length <= LIMITS.diskLayersMax)
      const fds = await readdir(`/proc/${pid}/fd`)
      const open = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
      assert.ok(open.filter((path) => path.includes('.qcow2')).length <= LIMITS.diskLayersMax + 2)
      const lines = Number(await say('grandchild', 'wc -l < file'))
      assert.equal(lines, Number(before) + LIMITS.diskLayersMax + 1)
      const newest = await createFrom(host, 'newest', `many-${LIMITS.diskLayersMax}`, 'wc -l < file')
      assert.equal(Number(textOf(newest)), lines)
      assert.equal(textOf(await createFrom(host, 'oldest', 'oldest', 'wc -l < file')).trim(), before)
      for (const id of ['newest', 'oldest']) await end(id)
      for (const id of ['oldest', `many-${LIMITS.diskLayersMax}`]) await remove(host, id)
    })

    test('that is damaged fails the sandbox that wants it, says so, and harms no other', async () => {
      await take(host, 'parent', 'spoilt')
      const at = await directoryOf(host, 'spoilt')
      for (const file of ['memory.pages', 'memory.index', 'device.state']) {
        const spoil = async () => {
          await using handle = await open(join(at, file), 'r+')
          const byte = Buffer.alloc(1)
          await handle.read(byte, 0, 1, 100)
          await handle.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 100)
        }
        await spoil()
        assert.match((await createFrom(host, 'x', 'spoilt', 'true')).body, /snapshot_corrupt/, file)
        await spoil()
      }
      const { layers } = JSON.parse(await readFile(join(at, 'manifest.json'), 'utf8'))
      const layer = join(host.stateDir, 'layers', `${layers.at(-1)}.qcow2`)
      await cp(layer, `${layer}.whole`)
      await writeFile(layer, Buffer.concat([await readFile(`${layer}.whole`), Buffer.from('x')]))
      assert.match((await createFrom(host, 'x', 'spoilt', 'true')).body, /snapshot_corrupt/)
      await rm(`${layer}.whole`)
      assert.equal(textOf(await createFrom(host, 'y', 'one', 'head -1 file')), 'first\n')
      await end('y')
      await remove(host, 'spoilt')
    })

    test('that cannot be read after a restart is refused, keeps nothing else from being used, and can be removed', async () => {
      await take(host, 'child', 'torn')
      const manifest = join(await directoryOf(host, 'torn'), 'manifest.json')
      const foreign = join(await directoryOf(host, 'one'), 'manifest.json')
      const kept = await readFile(foreign, 'utf8')
      await host.signal('SIGKILL')
      await writeFile(manifest, '{"id":"torn"')
      await writeFile(foreign, kept.replace('"accel":"tcg"', '"accel":"kvm"'))
      await host.launch()
      assert.match((await createFrom(host, 'x', 'torn', 'true')).body, /snapshot_corrupt/)
      assert.match((await createFrom(host, 'x', 'one', 'true')).body, /snapshot_incompatible/)
      assert.equal((await remove(host, 'torn')).status, 204)
      await host.signal('SIGKILL')
      await writeFile(foreign, kept)
      await host.launch()
      assert.equal(textOf(await createFrom(host, 'z', 'one', 'head -1 file')), 'first\n')
      await end('z')
    })

    test('leaves nothing behind when it and all sandboxes are gone', async () => {
      await remove(host, 'one')
      for (const { id } of (await host.inventory()).vms) await end(id)
      await host.until('the store is empty', 60_000, async () => {
        const { snapshots, layers } = await stored(host)
        return snapshots.length + layers.length === 0
      })
      await host.until('nothing is left of machines', 60_000, async () => (await host.leftovers()).length === 0)
    })
  })
}
