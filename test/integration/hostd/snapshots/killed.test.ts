/** kill -9 of the daemon before the single steps of what it does with a snapshot: it is there whole or not at all, and the sandbox goes on. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { type Answer, Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, shell, spec, textOf } from '../requests.ts'
import { ask, createFrom, list, remove, stored } from './calls.ts'

const RESUMED = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 }
/** More than there are. */
const STEPS_MAX = 100

describe('a snapshot whose daemon is killed', { timeout: 540_000 }, () => {
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

  /**
   * Kills the daemon in the deed before one step, starts it again and looks; then before a later step, until the deed comes to its end.
   * `stride` over 1 leaves some out, so that a run is short; which ones is drawn.
   */
  async function killAmid(
    t: TestContext,
    stride: number,
    deed: (at: number) => Promise<Answer>,
    look: (at: number) => Promise<void>,
  ) {
    const first = randomInt(stride)
    t.diagnostic(`killed before step ${first}, and then before each ${stride}. one`)
    for (let at = first; ; at += stride) {
      assert.ok(at < STEPS_MAX, 'it never came to an end')
      await writeFile(arm, String(at))
      const answer = await deed(at).catch(() => null)
      await rm(arm)
      if (answer !== null) {
        assert.ok(answer.status < 300, answer.body)
        return t.diagnostic(`it took ${at} steps`)
      }
      await host.signal('SIGKILL')
      await host.launch()
      const vm = (await host.inventory()).vms.find(({ id }) => id === 'parent')
      if (vm?.state === 'paused') await host.send('POST', '/v1/vms/parent/resume', RESUMED)
      await look(at)
      await nothingLeft(at)
    }
  }

  /** Only the parent runs, and what stands in the store is needed by it or by a snapshot that is listed. */
  async function nothingLeft(at: number): Promise<void> {
    const { name } = await host.machineOf('parent')
    assert.deepEqual(
      (await host.machines()).map((machine) => machine.name),
      [name],
      `killed before step ${at}`,
    )
    const record = JSON.parse(await readFile(join(host.stateDir, 'machines', name, 'record.json'), 'utf8'))
    const there = await stored(host)
    const manifests = there.snapshots.map((entry) => join(host.stateDir, 'snapshots', entry, 'manifest.json'))
    const kept = await Promise.all(manifests.map(async (path) => JSON.parse(await readFile(path, 'utf8'))))
    assert.deepEqual((await ids()).sort(), kept.map(({ id }) => id).sort(), `killed before step ${at}`)
    const layers: string[] = [...record.lineage.layers, ...kept.flatMap((manifest) => manifest.layers)]
    const files = new Set(layers.map((layer) => `${layer}.qcow2`))
    assert.deepEqual(new Set(there.layers), files, `killed before step ${at}`)
  }

  const ids = async (): Promise<string[]> => (await list(host)).map(({ id }) => id)
  const child = (id: string) => createFrom(host, 'child', id, 'cat file')

  test('finds the sandbox as it was, and the snapshot whole or not at all', async (t) => {
    const take = async (at: number): Promise<Answer> => {
      await say('parent', `echo ${at} > file`)
      return ask(host, 'parent', `s${at}`)
    }
    await killAmid(t, 3, take, async (at) => {
      assert.equal(await say('parent', 'cat file'), String(at))
      if ((await ids()).includes(`s${at}`)) {
        assert.equal(textOf(await child(`s${at}`)).trim(), String(at))
        await host.send('DELETE', '/v1/vms/child')
        await remove(host, `s${at}`)
      }
      // Else every layer that was begun would have to be sealed with the next one, and the steps grew with every kill.
      assert.equal((await ask(host, 'parent', 'whole')).status, 200)
      await remove(host, 'whole')
    })
  })

  test('that is asked for begins a sandbox or leaves nothing of it', async (t) => {
    for (const id of await ids()) await remove(host, id)
    await say('parent', 'echo origin > file')
    assert.equal((await ask(host, 'parent', 'origin')).status, 200)
    await killAmid(
      t,
      3,
      () => child('origin'),
      async () => {
        // One that has its machine, but whose answer nobody heard, is found and can be ended.
        await host.send('DELETE', '/v1/vms/child')
        assert.deepEqual(
          (await host.inventory()).vms.map(({ id }) => id),
          ['parent'],
        )
      },
    )
    assert.equal(textOf(await exec(host, 'child', 'cat file')), 'origin\n')
    await host.send('DELETE', '/v1/vms/child')
  })

  test('that is removed is whole or gone', async (t) => {
    await killAmid(
      t,
      1,
      () => remove(host, 'origin'),
      async () => {
        if ((await ids()).includes('origin')) {
          assert.equal(textOf(await child('origin')), 'origin\n')
          await host.send('DELETE', '/v1/vms/child')
        } else assert.equal((await ask(host, 'parent', 'origin')).status, 200)
        await say('parent', 'echo origin > file')
      },
    )
    assert.deepEqual((await stored(host)).snapshots.length, (await ids()).length)
  })
})
