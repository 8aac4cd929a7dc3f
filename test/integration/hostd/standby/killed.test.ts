/** kill -9 of the daemon before the single steps of the way to disk and of the way back: the sandbox is always somewhere, once, with all it had. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, shell, spec } from '../requests.ts'
import { parkedFiles, pause, resume, say, untilOnDisk, whereIs } from './calls.ts'

/** More than there are. */
const STEPS_MAX = 150
const STRIDE = 8
/** Writes down one number after the other, twenty times a second, over a pipe. */
const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done | while read n; do echo $n >> counted; done'

describe('a sandbox on its way to disk or back, whose daemon is killed', { timeout: 600_000 }, () => {
  const arm = `${process.env.TMPDIR ?? '/tmp'}/standby-die-at-${process.pid}`
  let host: Daemon
  before(async () => {
    const preload = new URL('../snapshots/die-at.ts', import.meta.url).pathname
    host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '0', NODE_OPTIONS: `--import ${preload}`, DIE_AT: arm })
    await create(host, spec('box'), shell('true'))
    await exec(host, 'box', `(${COUNTER}) > /dev/null 2>&1 & until [ -s counted ]; do sleep 0.1; done`)
  })
  after(async () => {
    await rm(arm, { force: true })
    await host?.stop()
  })

  /** Kills the daemon in the deed before one step, starts it again and looks; then before a later step, until the deed comes to its end. */
  async function killAmid(t: TestContext, way: Way): Promise<void> {
    const first = randomInt(STRIDE)
    t.diagnostic(`killed before step ${first}, and then before each ${STRIDE}. one`)
    for (let at = first; ; at += STRIDE) {
      assert.ok(at < STEPS_MAX, 'it never came to an end')
      await way.begin()
      await writeFile(arm, String(at))
      const isAtItsEnd = await way.go().then(
        () => true,
        () => false,
      )
      await rm(arm)
      if (!isAtItsEnd) {
        await host.signal('SIGKILL')
        await host.launch()
      }
      assert.match(await whereIs(host, 'box'), way.foundAt, `killed before step ${at}`)
      const resumed = await resume(host, 'box')
      assert.equal(resumed.status, 200, `killed before step ${at}: ${resumed.body}`)
      await wholeAndAlone(at)
      if (isAtItsEnd) return t.diagnostic(`it took no more than ${at} steps`)
    }
  }

  /** It runs, no number is lost or comes twice, and nothing is left of where it was before. */
  async function wholeAndAlone(at: number): Promise<void> {
    const numbers = (await say(host, 'box', 'sleep 0.2; cat counted')).split('\n').map(Number)
    assert.ok(
      numbers.every((number, index) => number === index + 1),
      `killed before step ${at}: ${numbers.slice(-20)}`,
    )
    const { name } = await host.machineOf('box')
    assert.deepEqual(
      (await host.machines()).map((machine) => machine.name),
      [name],
      `killed before step ${at}`,
    )
    const { records, snapshots, layers } = await parkedFiles(host)
    assert.deepEqual([records, snapshots], [[], []], `killed before step ${at}`)
    const { lineage } = JSON.parse(await readFile(join(host.stateDir, 'machines', name, 'record.json'), 'utf8'))
    const needed = lineage.layers.map((layer: string) => `${layer}.qcow2`)
    assert.deepEqual(new Set(layers), new Set(needed), `killed before step ${at}`)
  }

  test('is found running, in memory or on disk, and goes on from there', (t) =>
    killAmid(t, {
      begin: async () => {},
      go: async () => {
        await pause(host, 'box')
        // Fails with the daemon, which does not answer any more.
        while ((await whereIs(host, 'box')) !== 'paused in disk');
      },
      foundAt: /^running$|^paused in (memory|disk)$/,
    }))

  test('is found on disk or running, and goes on from there', (t) =>
    killAmid(t, {
      begin: async () => {
        await pause(host, 'box')
        await untilOnDisk(host, 'box')
      },
      go: () => resume(host, 'box'),
      foundAt: /^running$|^paused in disk$/,
    }))
})

type Way = { begin: () => Promise<void>; go: () => Promise<unknown>; foundAt: RegExp }
