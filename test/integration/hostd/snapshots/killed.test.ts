/** kill -9 of the daemon before every single step of taking a snapshot: it is there whole or not at all, and the sandbox goes on. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, shell, spec, textOf } from '../requests.ts'
import { ask, createFrom, list, remove, stored } from './calls.ts'

const RESUMED = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 }
const STRIDE = 2
/** More than there are. */
const STEPS_MAX = 100

describe('a daemon that is killed while it takes a snapshot', { timeout: 540_000 }, () => {
  let host: Daemon
  let arm: string
  before(async () => {
    const preload = new URL('./die-at.ts', import.meta.url).pathname
    const settings = { NODE_OPTIONS: `--import ${preload}` }
    host = await Daemon.start({ ...settings, DIE_AT: `${process.env.TMPDIR ?? '/tmp'}/die-at-${process.pid}` })
    arm = `${process.env.TMPDIR ?? '/tmp'}/die-at-${process.pid}`
    await create(host, spec('parent'), shell('true'))
  })
  after(async () => {
    await rm(arm, { force: true })
    await host?.stop()
  })

  const say = async (id: string, line: string): Promise<string> => textOf(await exec(host, id, line)).trim()

  /** Whether it answered before it died. */
  async function takeUntil(steps: number, id: string): Promise<boolean> {
    await writeFile(arm, String(steps))
    const answer = await ask(host, 'parent', id).catch(() => null)
    await rm(arm)
    return answer?.status === 200
  }

  /** What stands on the disk, and who says that it is needed. */
  async function needed(): Promise<{ layers: Set<string>; snapshots: number }> {
    const manifests = await readdir(join(host.stateDir, 'snapshots'))
    const paths = manifests.map((entry) => join(host.stateDir, 'snapshots', entry, 'manifest.json'))
    const { name } = await host.machineOf('parent')
    const record = JSON.parse(await readFile(join(host.stateDir, 'machines', name, 'record.json'), 'utf8'))
    const kept = await Promise.all(paths.map(async (path) => JSON.parse(await readFile(path, 'utf8')).layers))
    return { layers: new Set([...record.lineage.layers, ...kept.flat()]), snapshots: manifests.length }
  }

  test('finds the sandbox as it was, and the snapshot whole or not at all', async (t) => {
    let killed = 0
    // Every other step, so that a run is short; which ones is drawn.
    const first = randomInt(STRIDE)
    t.diagnostic(`killed before step ${first} and every ${STRIDE}nd one after it`)
    for (let steps = first; ; steps += STRIDE) {
      assert.ok(steps < STEPS_MAX, 'it never came to an answer')
      const id = `s${steps}`
      await say('parent', `echo ${steps} > file`)
      const isAnswered = await takeUntil(steps, id)
      if (isAnswered) break
      killed += 1
      await host.signal('SIGKILL')
      await host.launch()

      const vm = (await host.inventory()).vms.find((one) => one.id === 'parent')
      if (vm?.state === 'paused') await host.send('POST', '/v1/vms/parent/resume', RESUMED)
      assert.equal(await say('parent', 'cat file'), String(steps), `the sandbox, killed before step ${steps}`)

      const listed = (await list(host)).map((snapshot) => snapshot.id)
      const { layers, snapshots } = await needed()
      const there = await stored(host)
      assert.equal(there.snapshots.length, snapshots, `killed before step ${steps}`)
      assert.equal(listed.length, snapshots, `killed before step ${steps}`)
      assert.deepEqual(
        new Set(there.layers),
        new Set([...layers].map((layer) => `${layer}.qcow2`)),
        `killed before step ${steps}`,
      )
      if (listed.includes(id)) {
        assert.equal(textOf(await createFrom(host, 'child', id, 'cat file')).trim(), String(steps))
        await host.send('DELETE', '/v1/vms/child')
        await remove(host, id)
      }
      // Else every layer that was begun would have to be sealed with the next one, and the steps grew with every kill.
      assert.equal((await ask(host, 'parent', 'whole')).status, 200)
      await remove(host, 'whole')
    }
    t.diagnostic(`killed ${killed} times`)
    assert.ok(killed > 10)
  })
})
