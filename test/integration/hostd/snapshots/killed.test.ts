/** kill -9 of the daemon before the single steps of what it does with a snapshot: it is there whole or not at all, and the sandbox goes on. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import type { Answer, Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, shell, spec, textOf } from '../requests.ts'
import { ask, createFrom, list, remove, stored } from './calls.ts'
import { Mortal } from './mortal.ts'

const RESUMED = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 }

describe('a snapshot whose daemon is killed', { timeout: 600_000 }, () => {
  let mortal: Mortal
  let host: Daemon
  before(async () => {
    mortal = await Mortal.start()
    host = mortal.host
    await create(host, spec('parent'), shell('true'))
  })
  after(() => mortal?.stop())

  const say = async (id: string, line: string): Promise<string> => textOf(await exec(host, id, line)).trim()

  async function killAmid(
    t: TestContext,
    stride: number,
    deed: (at: number) => Promise<Answer>,
    look: (at: number) => Promise<void>,
  ): Promise<void> {
    const lookAll = async (at: number): Promise<void> => {
      const vm = (await host.inventory()).vms.find(({ id }) => id === 'parent')
      if (vm?.state === 'paused') await host.send('POST', '/v1/vms/parent/resume', RESUMED)
      await look(at)
      await nothingLeft(at)
    }
    await mortal.killAmid(t, stride, { deed, look: lookAll })
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
