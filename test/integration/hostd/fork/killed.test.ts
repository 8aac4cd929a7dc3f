/** kill -9 of the daemon before single steps of a fork, a restore and a merge: every sandbox has one machine, and nothing else is left. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Daemon } from '../../../harness/host-daemon.ts'
import { create, shell, spec } from '../requests.ts'
import { remove, stored, take } from '../snapshots/calls.ts'
import { Mortal } from '../snapshots/mortal.ts'
import { askFork, askMerge, askRestore, end, fates, fork, resume, say, states, untilOnly } from './calls.ts'

describe('a daemon that is killed', { timeout: 600_000 }, () => {
  let mortal: Mortal
  let host: Daemon
  before(async () => {
    mortal = await Mortal.start()
    host = mortal.host
    await create(host, spec('parent'), shell('true'))
  })
  after(() => mortal?.stop())

  /** What is there belongs to the sandboxes that are listed, which are these; all of them run when it returns. */
  async function onlyThese(at: number, ...ids: string[]): Promise<void> {
    const found = await states(host)
    assert.deepEqual(Object.keys(found).sort(), ids.toSorted(), `killed before step ${at}`)
    assert.deepEqual((await host.inventory()).lost, [], `killed before step ${at}`)
    await untilOnly(host, ids.length)
    const names = await readdir(join(host.stateDir, 'machines'))
    const paths = names.map((name) => join(host.stateDir, 'machines', name, 'record.json'))
    const records = await Promise.all(paths.map(async (path) => JSON.parse(await readFile(path, 'utf8'))))
    assert.deepEqual(records.map((record) => record.spec.id).sort(), ids.toSorted(), `killed before step ${at}`)
    assert.equal(new Set(records.map((record) => record.uid)).size, ids.length, `killed before step ${at}`)
    const layers = records.flatMap((record) => record.lineage.layers.map((layer: string) => `${layer}.qcow2`))
    await host.until(`no layer is left that is nobody's, killed before step ${at}`, 60_000, async () => {
      const there = new Set((await stored(host)).layers)
      return new Set(layers).size === there.size && layers.every((layer) => there.has(layer))
    })
    for (const [id, state] of Object.entries(found)) if (state === 'paused') await resume(host, id)
  }

  test('while it forks has the parent, and the child whole or not at all; asked again it has both', async (t) => {
    await mortal.killAmid(t, 6, {
      prepare: (at) => say(host, 'parent', `echo ${at} > file`),
      deed: () => askFork(host, 'parent', [spec('child')]),
      look: async (at) => {
        const isBorn = 'child' in (await states(host))
        await onlyThese(at, 'parent', ...(isBorn ? ['child'] : []))
        assert.deepEqual((await stored(host)).snapshots, [])
        assert.equal(await say(host, 'parent', 'cat file'), String(at))
        assert.deepEqual(fates(await fork(host, 'parent', 'child')), ['made'])
        assert.equal(await say(host, 'child', 'cat file'), String(at))
        await end(host, 'child')
      },
    })
    await end(host, 'child')
  })

  test('while it restores has the sandbox as it was or as it should be; asked again it is as it should be', async (t) => {
    await say(host, 'parent', 'echo point > file')
    await take(host, 'parent', 'point')
    const { layers } = await stored(host)
    await mortal.killAmid(t, 4, {
      prepare: (at) => say(host, 'parent', `echo ${at} > file`),
      deed: () => askRestore(host, 'parent', 'point'),
      look: async (at) => {
        assert.deepEqual(await states(host), { parent: 'running' })
        await untilOnly(host, 1)
        assert.ok([String(at), 'point'].includes(await say(host, 'parent', 'cat file')))
        assert.deepEqual((await stored(host)).layers, layers)
        assert.equal((await askRestore(host, 'parent', 'point')).status, 200)
        assert.equal(await say(host, 'parent', 'cat file'), 'point')
      },
    })
    await remove(host, 'point')
  })

  test('while it merges has both as they were, or one with the machine of the other; asked again it has that', async (t) => {
    await mortal.killAmid(t, 1, {
      prepare: async (at) => {
        await fork(host, 'parent', 'winner', 'sibling')
        await say(host, 'winner', `echo ${at} > file`)
      },
      deed: () => askMerge(host, 'parent', 'winner'),
      look: async (at) => {
        const isMerged = !('winner' in (await states(host)))
        await onlyThese(at, 'parent', 'sibling', ...(isMerged ? [] : ['winner']))
        if (!isMerged) assert.equal(await say(host, 'winner', 'cat file'), String(at))
        assert.equal((await askMerge(host, 'parent', 'winner')).status, 200)
        await end(host, 'sibling')
        await onlyThese(at, 'parent')
        assert.equal(await say(host, 'parent', 'cat file'), String(at))
      },
    })
  })
})
