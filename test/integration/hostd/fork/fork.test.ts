/** Children that go on from where a running sandbox is. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../../shared/limits.ts'
import { SIZES } from '../../../../shared/machines.ts'
import { Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, isNow, shell, spec, textOf } from '../requests.ts'
import { stored } from '../snapshots/calls.ts'
import { askFork, end, fates, fork, pause, resume, say, states, untilOnly, vmOf } from './calls.ts'

/** Counts in memory, ten times a second, and writes down where it is. */
const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i > count.new; mv count.new count; sleep 0.1; done'

/** The parent, and five children at a time. */
const VMS_MAX = 6

describe('a fork', { timeout: 600_000 }, () => {
  let host: Daemon
  before(async () => {
    host = await Daemon.start({ ATOLL_VMS_MAX: String(VMS_MAX) })
    await create(
      host,
      spec('parent', { env: { WHO: 'parent' } }),
      shell(`echo first > file; (${COUNTER}) >/dev/null 2>&1 & until [ -e count ]; do sleep 0.1; done`),
    )
  })
  after(() => host?.stop())

  test('gives its children memory, files, environment and commands of one instant; the parent goes on with its streams, and nobody sees what another one writes later', async () => {
    const stream = exec(host, 'parent', 'for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo $i >> steps; sleep 0.4; done')
    await say(host, 'parent', 'until [ -s steps ]; do sleep 0.1; done')
    const sinceMs = Date.now()
    const answer = await fork(host, 'parent', 'a', 'b')
    assert.deepEqual(fates(answer), ['made', 'made'])
    assert.ok(answer.stopped_ms > 0)
    assert.equal(textOf(await stream), '1\n2\n3\n4\n5\n6\n7\n8\n9\n')

    const look = 'cat file; echo $WHO; hostname; date +%s; cat count; cat /proc/sys/kernel/random/uuid'
    const [a = [], b = []] = await Promise.all(
      ['a', 'b'].map(async (child) => (await say(host, child, look)).split('\n')),
    )
    assert.deepEqual(a.slice(0, 3), ['first', 'parent', 'a'])
    assert.deepEqual(b.slice(0, 3), ['first', 'parent', 'b'])
    for (const [, , , seconds] of [a, b]) assert.ok(isNow(Number(seconds), sinceMs), seconds)
    assert.notEqual(a[5], b[5], 'they do not draw the same random numbers')

    await Promise.all(['parent', 'a', 'b'].map((id) => say(host, id, `echo ${id} >> file`)))
    for (const id of ['parent', 'a', 'b']) assert.equal(await say(host, id, 'cat file'), `first\n${id}`)
    const countOf = async (id: string): Promise<number> => Number(await say(host, id, 'cat count'))
    for (const id of ['parent', 'a', 'b']) {
      const count = await countOf(id)
      await host.until(`${id} counts on`, 60_000, async () => (await countOf(id)) > count)
    }
    const steps = 'wc -l < steps'
    assert.equal(await say(host, 'parent', steps), '9')
    for (const id of ['a', 'b'])
      await host.until(`the command of ${id} has ended, too`, 60_000, async () => (await say(host, id, steps)) === '9')
  })

  test('keeps nothing of its own when its children stand; what they are made of stays', async () => {
    assert.deepEqual((await stored(host)).snapshots, [])
    await host.signal('SIGKILL')
    await host.launch()
    assert.equal(await say(host, 'a', 'cat file'), 'first\na')
    assert.equal(await say(host, 'parent', 'cat file'), 'first\nparent')
  })

  test('asked for again is the same one, also at the same time, and when the parent is gone', async () => {
    const again = await fork(host, 'parent', 'a', 'b')
    assert.deepEqual([again.stopped_ms, ...fates(again)], [0, 'made', 'made'])
    assert.equal(await say(host, 'a', 'cat file'), 'first\na')
    const [one, two] = await Promise.all([fork(host, 'parent', 'c'), fork(host, 'parent', 'c', 'a')])
    assert.deepEqual([fates(one), fates(two)], [['made'], ['made', 'made']])
    await untilOnly(host, 4)
    await end(host, 'c')
    assert.deepEqual(fates(await fork(host, 'never', 'a', 'b')), ['made', 'made'])
  })

  test('of a child of a child has what each of them wrote, however deep it goes', async () => {
    let parent = 'a'
    // Each has one layer more than its parent, and the first of them is a child itself.
    const depth = LIMITS.diskLayersMax
    for (let generation = 0; generation < depth; generation++) {
      const child = `deep-${generation}`
      assert.deepEqual(fates(await fork(host, parent, child)), ['made'])
      if (parent !== 'a') await end(host, parent)
      await say(host, child, `echo ${generation} >> file`)
      parent = child
    }
    const { name } = await host.machineOf(parent)
    const record = await readFile(join(host.stateDir, 'machines', name, 'record.json'), 'utf8')
    assert.ok(JSON.parse(record).lineage.layers.length < LIMITS.diskLayersMax, 'its disk became a short chain again')
    const lines = Array.from({ length: depth }, (_, generation) => generation)
    assert.equal(await say(host, parent, 'cat file'), ['first', 'a', ...lines].join('\n'))
    assert.equal(await say(host, 'a', 'cat file'), 'first\na')
    await end(host, parent)
  })

  test('tells of each child what became of it, and is refused where there is room for none', async () => {
    const specs = ['d', 'b', 'e', 'f', 'g'].map((id) => spec(id, { machine: SIZES.xl }))
    const answer = await fork(host, 'parent', ...specs)
    assert.deepEqual(fates(answer), ['made', 'made', 'made', 'made', 'capacity_exhausted'])
    assert.deepEqual((await vmOf(host, 'd'))?.machine, SIZES.xs, 'a child has the machine of its parent')
    assert.deepEqual(Object.keys(await states(host)).sort(), ['a', 'b', 'd', 'e', 'f', 'parent'])
    const { status, body } = await askFork(host, 'parent', [spec('h'), spec('i')])
    assert.deepEqual([status, JSON.parse(body).error.code], [503, 'capacity_exhausted'])
    for (const id of ['d', 'e', 'f']) await end(host, id)
  })

  test('is refused for what is paused, ended or unknown, for none and for too many, and makes nothing then', async () => {
    await pause(host, 'b')
    const askFor = async (parent: string, ...ids: string[]) => {
      const { status, body } = await askFork(
        host,
        parent,
        ids.map((id) => spec(id)),
      )
      return `${status} ${JSON.parse(body).error.code}`
    }
    assert.equal(await askFor('b', 'x'), '409 sandbox_not_running')
    assert.equal(await askFor('nobody', 'x'), '404 sandbox_not_found')
    assert.equal(await askFor('parent'), '422 invalid_request')
    const many = Array.from({ length: LIMITS.forkChildrenMax + 1 }, (_, index) => `x${index}`)
    assert.equal(await askFor('parent', ...many), '422 invalid_request')
    assert.equal(await askFor('parent', 'x', 'parent'), '422 invalid_request')
    assert.deepEqual(Object.keys(await states(host)).sort(), ['a', 'b', 'parent'])
    await resume(host, 'b')
    assert.equal(await say(host, 'b', 'cat file'), 'first\nb')
  })

  test('whose child is destroyed while it starts has the others, and nothing of that one', async () => {
    const forking = fork(host, 'parent', 'kept', 'dropped')
    await host.until('the child is there', 60_000, async () => (await vmOf(host, 'dropped')) !== undefined)
    await end(host, 'dropped')
    assert.equal(fates(await forking)[0], 'made')
    assert.equal(await vmOf(host, 'dropped'), undefined)
    assert.equal(await say(host, 'kept', 'head -1 file'), 'first')
    await end(host, 'kept')
  })

  // A guest may well choose this moment.
  const deaths = {
    'whose process is killed': async () => process.kill((await host.machineOf('victim')).pid, 'SIGKILL'),
    'that crashes its kernel': () =>
      exec(host, 'victim', 'echo c > /proc/sysrq-trigger; sleep 20', { user: 'root', timeout_ms: 60_000 }),
  }
  for (const [manner, kill] of Object.entries(deaths))
    test(`of a parent ${manner} meanwhile fails, or was quicker, and leaves nothing that nobody asked for`, async () => {
      for (const afterMs of [0, 15, 60]) {
        await fork(host, 'a', 'victim')
        const forking = askFork(host, 'victim', [spec('orphan')])
        await sleep(afterMs)
        const killed = kill()
        const { status, body } = await forking
        if (status !== 200) assert.match(body, /sandbox_lost/)
        await host.until('the loss is told', 60_000, async () =>
          (await host.inventory()).lost.some(({ id }) => id === 'victim'),
        )
        await killed
        for (const id of ['victim', 'orphan']) await end(host, id)
        assert.deepEqual(Object.keys(await states(host)).sort(), ['a', 'b', 'parent'])
        assert.deepEqual((await host.inventory()).lost, [])
        await untilOnly(host, 3)
      }
    })

  test('leaves nothing when all are gone', async () => {
    for (const id of Object.keys(await states(host))) await end(host, id)
    await host.until('the store is empty', 60_000, async () => {
      const { snapshots, layers } = await stored(host)
      return snapshots.length + layers.length === 0
    })
    await untilOnly(host, 0)
  })
})
