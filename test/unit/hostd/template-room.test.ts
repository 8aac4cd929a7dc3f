/** A host that has all the templates it may have makes room for another one, and takes nothing from anybody. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Site } from '../../../origin/hostd/machine/start.ts'
import { LayerStore } from '../../../origin/hostd/snapshot/layer-store.ts'
import { lockOf, makeRoom, removeUnfinished } from '../../../origin/hostd/template/collect.ts'
import { judgeOf } from '../../../origin/hostd/template/judge.ts'
import { type Surroundings, templateKey } from '../../../origin/hostd/template/key.ts'
import { recipeOf } from '../../../origin/hostd/template/recipes.ts'
import { TemplateStore } from '../../../origin/hostd/template/store.ts'
import { type Judge, surveyRoom } from '../../../origin/hostd/template/survey.ts'
import { TEMPLATE_FILES } from '../../../origin/hostd/template/template.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { until } from '../../harness/until.ts'

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const around: Surroundings = { imageId: 'now', accel: 'tcg', qemuVersion: '1', cpuModel: 'a' }
const MAX = LIMITS.templatesPerHostMax
const shapeOf = (memoryMib: number) => ({ vcpus: 1, memoryMib, diskMib: 2_000 })

/** A shelf of templates, and daemons that share it. */
class Shelf {
  readonly root = mkdtempSync('/tmp/atoll-shelf-')
  readonly directory = join(this.root, 'templates')
  readonly nowMs = Date.now()

  constructor() {
    mkdirSync(this.directory)
    writeFileSync(join(this.root, 'rootfs'), 'root')
  }

  async daemon(name: string): Promise<LayerStore> {
    mkdirSync(join(this.root, name))
    const image = { id: around.imageId, kernel: '', initramfs: '', roots: { default: join(this.root, 'rootfs') } }
    return LayerStore.open(join(this.root, name), image, () => {})
  }

  /** One that was used so long ago. */
  put(memoryMib: number, usedAgoMs: number, imageId = around.imageId): string {
    const machine = shapeOf(memoryMib)
    const key = templateKey({ ...around, imageId }, 'default', recipeOf('default').revision, machine)
    const at = join(this.directory, key)
    mkdirSync(at)
    for (const file of Object.values(TEMPLATE_FILES)) writeFileSync(join(at, file), 'bytes')
    writeFileSync(join(at, TEMPLATE_FILES.manifest), JSON.stringify({ name: 'default', machine, built_ms: 1 }))
    const sec = (this.nowMs - usedAgoMs) / 1_000
    utimesSync(join(at, TEMPLATE_FILES.manifest), sec, sec)
    return key
  }

  async take(layers: LayerStore, key: string): Promise<void> {
    layers.hold({ base: key, layers: [] })
    await layers.ofTemplate(key, join(this.directory, key), 'default')
  }

  judge(layers: LayerStore, ready: string[] = [], pooledMib: number[] = []): Judge {
    const pooled = pooledMib.map((memoryMib) => ({ template: 'default', machine: shapeOf(memoryMib) }))
    const isReady = (key: string): boolean => ready.includes(key)
    return judgeOf({ directory: this.directory, around, layers, pooled, isReady })
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

const HOUR = 3_600_000
const isNoLock = (entry: string): boolean => !entry.endsWith('.lock')

test('what a machine, a pool or another daemon needs stays, and so does what somebody asked for a moment ago', async () => {
  using shelf = new Shelf()
  const [mine, other] = [await shelf.daemon('mine'), await shelf.daemon('other')]
  const [held, theirs, both] = [shelf.put(600, 9 * HOUR), shelf.put(601, 9 * HOUR), shelf.put(602, 9 * HOUR)]
  await shelf.take(mine, held)
  await shelf.take(other, theirs)
  for (const layers of [mine, other]) await shelf.take(layers, both)
  const pooled = shelf.put(603, 9 * HOUR)
  const fresh = shelf.put(604, 1_000)
  const fill = Array.from({ length: MAX - 5 }, (_, index) => shelf.put(700 + index, 1_000))
  const judge = shelf.judge(mine, [both], [603])
  assert.deepEqual(await surveyRoom(shelf.directory, judge, shelf.nowMs), { go: [], hasRoom: false })
  assert.deepEqual(await makeRoom(shelf.directory, judge, shelf.nowMs), [])
  assert.deepEqual(readdirSync(shelf.directory).length, fill.length + [held, theirs, both, pooled, fresh].length)
})

test('templates of other images go first, then the one that was used longest ago; one that is only at hand goes, too', async () => {
  using shelf = new Shelf()
  const mine = await shelf.daemon('mine')
  const atHand = shelf.put(600, 5 * HOUR)
  await shelf.take(mine, atHand)
  const older = shelf.put(601, 3 * HOUR)
  // A pool of the present image has no need of another image's.
  const stranger = shelf.put(602, 1 * HOUR, 'before')
  for (let index = 0; index < MAX - 3; index++) shelf.put(700 + index, 1_000)
  const judge = shelf.judge(mine, [atHand], [602])
  for (const key of [stranger, atHand, older]) writeFileSync(lockOf(shelf.directory, key), '')
  const order: string[] = []
  while (order.length < 3) {
    assert.equal((await surveyRoom(shelf.directory, judge, shelf.nowMs)).hasRoom, true)
    order.push(...(await makeRoom(shelf.directory, judge, shelf.nowMs)))
    shelf.put(800 + order.length, 0)
  }
  assert.deepEqual(order, [stranger, atHand, older])
  assert.ok(!existsSync(lockOf(shelf.directory, atHand)), 'nor is the file left that its makers lock')
  assert.equal((await surveyRoom(shelf.directory, judge, shelf.nowMs)).hasRoom, false)
  // What this daemon has at hand it goes on having, until it lets go of it.
  assert.ok((await mine.find(atHand, (await mine.identityOf(atHand)) ?? ''))?.template)
})

// Two daemons on one machine share a shelf: what one has only at hand must not keep the other from making room.
test('a daemon lets go of what nobody asked for lately, keeps what a machine needs, and has the very same again when it is wanted', async () => {
  using shelf = new Shelf()
  const [mine, other] = [await shelf.daemon('mine'), await shelf.daemon('other')]
  const site = { layers: mine } as unknown as Site
  const store = new TemplateStore(shelf.directory, site, around, [], () => {})
  const [rested, inUse] = [shelf.put(600, 9 * HOUR), shelf.put(601, 9 * HOUR)]
  for (const memoryMib of [600, 601]) assert.ok(await store.find('default', shapeOf(memoryMib)))
  mine.hold({ base: inUse, layers: [] })
  const laterMs = shelf.nowMs + LIMITS.templateRestMs + 5_000
  const needed = () =>
    Promise.all(
      [600, 601].map((memoryMib, index) =>
        shelf
          .judge(other)
          .isNeeded([rested, inUse][index] ?? '', { name: 'default', machine: shapeOf(memoryMib), built_ms: 1 }),
      ),
    )
  const identity = await mine.identityOf(rested)
  store.letGoRested(shelf.nowMs)
  assert.deepEqual(await needed(), [true, true], 'both were asked for a moment ago')
  store.letGoRested(laterMs)
  await until('its files are removed', async () => !(await needed())[0])
  assert.deepEqual(await needed(), [false, true])
  assert.equal(await mine.identityOf(rested), null)
  assert.ok(await store.find('default', shapeOf(600)))
  assert.equal(await mine.identityOf(rested), identity)
})

test('one that is being made takes a place, and what is broken is good for nobody', async () => {
  using shelf = new Shelf()
  const mine = await shelf.daemon('mine')
  for (let index = 0; index < MAX - 2; index++) shelf.put(700 + index, 1_000)
  mkdirSync(join(shelf.directory, `a.building-${process.pid}`))
  const broken = shelf.put(600, 1_000)
  writeFileSync(join(shelf.directory, broken, TEMPLATE_FILES.manifest), '{')
  assert.deepEqual(await makeRoom(shelf.directory, shelf.judge(mine), shelf.nowMs), [broken])
  assert.equal((await surveyRoom(shelf.directory, shelf.judge(mine), shelf.nowMs)).hasRoom, true)
})

// Half a template would be restored into machines that fail one after the other.
test('a daemon that is killed at any step of it leaves whole templates, and the next one removes the rest', async () => {
  for (let steps = 0; ; steps++) {
    using shelf = new Shelf()
    const keys = Array.from({ length: MAX + 1 }, (_, index) => shelf.put(700 + index, (index + 1) * HOUR))
    const program = `
      import { makeRoom } from ${JSON.stringify(here('../../../origin/hostd/template/collect.ts'))}
      const judge = { isPresent: () => true, isNeeded: async () => false }
      await makeRoom(${JSON.stringify(shelf.directory)}, judge, ${shelf.nowMs})`
    writeFileSync(join(shelf.root, 'steps'), String(steps))
    const child = spawn(
      process.execPath,
      ['--import', here('../../integration/hostd/snapshots/die-at.ts'), '--input-type=module', '-e', program],
      { env: { ...process.env, DIE_AT: join(shelf.root, 'steps') }, stdio: ['ignore', 'ignore', 'inherit'] },
    )
    const [exitCode, signal] = await once(child, 'exit')
    const isWhole = (entry: string): boolean =>
      readdirSync(join(shelf.directory, entry)).length === Object.values(TEMPLATE_FILES).length
    const whole = readdirSync(shelf.directory).filter((entry) => isNoLock(entry) && !entry.includes('.building-'))
    assert.ok(whole.every(isWhole))
    // Two too many, counting the one there is to be room for: the two that were used longest ago.
    assert.deepEqual(
      keys.slice(0, MAX - 1).filter((key) => !whole.includes(key)),
      [],
    )
    await removeUnfinished(shelf.directory)
    assert.deepEqual(readdirSync(shelf.directory).filter(isNoLock).toSorted(), whole.toSorted())
    if (signal === null) {
      assert.deepEqual([exitCode, whole.length], [0, MAX - 1])
      assert.ok(steps >= 4, 'it was killed at every step')
      return
    }
    assert.equal(signal, 'SIGKILL')
  }
})
