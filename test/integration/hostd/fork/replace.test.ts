/** A sandbox that goes on as another machine: what it was at a snapshot, or what one of its children is. */
import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { vmRecord } from '../../../../shared/contracts/host.ts'
import { FRAME, frameJson } from '../../../../shared/frames.ts'
import { type Answer, Daemon, type Stream } from '../../../harness/host-daemon.ts'
import { create, exec, isNow, shell, spec, textOf } from '../requests.ts'
import { createFrom, directoryOf, remove, stored, take } from '../snapshots/calls.ts'
import {
  askMerge,
  askRestore,
  end,
  fork,
  NO_DEADLINES,
  pause,
  pauseIn,
  resume,
  say,
  states,
  untilOnly,
  vmOf,
} from './calls.ts'

const codeOf = ({ status, body }: Answer): string => `${status} ${JSON.parse(body).error?.code ?? 'ok'}`
/** The code with which a stream of frames broke off. */
function breachOf(stream: Stream): unknown {
  const last = stream.frames.at(-1)
  return last?.type === FRAME.error ? Reflect.get(Object(frameJson(last)), 'code') : undefined
}

describe('a sandbox that is restored in place', { timeout: 600_000 }, () => {
  let host: Daemon
  before(async () => {
    host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '1' })
    await create(host, spec('one', { env: { WHO: 'one' } }), shell('echo then > file; (sleep 1000 & echo $! > pid)'))
    await take(host, 'one', 'point')
  })
  after(() => host?.stop())

  test('is what it was then, runs under its own id, and tells the commands that it cut off why', async () => {
    await say(host, 'one', 'echo later > file; kill $(cat pid)')
    const cut = exec(host, 'one', 'echo begun; touch begun; sleep 600')
    await say(host, 'one', 'until [ -e begun ]; do sleep 0.1; done')
    const sinceMs = Date.now()
    const answer = await askRestore(host, 'one', 'point')
    assert.equal(answer.status, 200, answer.body)
    const record = vmRecord.parse(JSON.parse(answer.body))
    assert.deepEqual([record.id, record.state, record.boot_path], ['one', 'running', 'restore'])
    const stream = await cut
    assert.deepEqual([textOf(stream), breachOf(stream)], ['begun\n', 'sandbox_replaced'])
    const now = await say(host, 'one', 'cat file; kill -0 $(cat pid) && echo lives; echo $WHO; hostname; date +%s')
    const [file, life, who, hostname, seconds] = now.split('\n')
    assert.deepEqual([file, life, who, hostname], ['then', 'lives', 'one', 'one'])
    assert.ok(isNow(Number(seconds), sinceMs), seconds)
    await untilOnly(host, 1)
  })

  for (const place of ['memory', 'disk'] as const)
    test(`may be paused, ${place === 'disk' ? 'on disk' : 'in memory'}: it is woken by it, with its new deadlines, and what was asked of it meanwhile is done afterwards`, async () => {
      await say(host, 'one', 'echo paused > file')
      await pauseIn(host, 'one', place)
      const restoring = askRestore(host, 'one', 'point')
      const after = host.send('POST', '/v1/vms/one/deadlines', { ...NO_DEADLINES, idle_timeout_sec: 77 })
      assert.equal(codeOf(await restoring), '200 ok')
      assert.equal(codeOf(await after), '200 ok')
      const vm = await vmOf(host, 'one')
      assert.deepEqual([vm?.state, vm?.idle_timeout_sec, vm?.standby], ['running', 77, undefined])
      assert.equal(await say(host, 'one', 'cat file'), 'then')
      await untilOnly(host, 1)
      assert.equal((await stored(host)).snapshots.length, 1)
    })

  test('is found as that by the next daemon, and may be restored, kept and forked again', async () => {
    await host.signal('SIGKILL')
    await host.launch()
    assert.equal(await say(host, 'one', 'cat file; echo changed > file'), 'then')
    await take(host, 'one', 'second')
    await fork(host, 'one', 'child')
    assert.equal(codeOf(await askRestore(host, 'one', 'point')), '200 ok')
    assert.equal(await say(host, 'one', 'cat file'), 'then')
    assert.equal(codeOf(await askRestore(host, 'one', 'second')), '200 ok')
    assert.equal(await say(host, 'one', 'cat file'), 'changed')
    assert.equal(await say(host, 'child', 'cat file'), 'changed')
    await end(host, 'child')
  })

  test('stays what it is, with its commands, when the snapshot is unknown, damaged or of another kind of machine', async () => {
    const stream = exec(host, 'one', 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done')
    assert.equal(codeOf(await askRestore(host, 'one', 'never')), '404 snapshot_not_found')
    assert.equal(codeOf(await askRestore(host, 'nobody', 'point')), '404 sandbox_not_found')
    await using pages = await open(join(await directoryOf(host, 'second'), 'memory.pages'), 'r+')
    const { buffer } = await pages.read(Buffer.alloc(1), 0, 1, 5_000)
    await pages.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 5_000)
    assert.equal(codeOf(await askRestore(host, 'one', 'second')), '410 snapshot_corrupt')
    assert.equal(textOf(await stream), '1\n2\n3\n4\n5\n6\n')
    await untilOnly(host, 1)
    await remove(host, 'second')
  })

  test('and destroyed at the same time is gone, whole', async () => {
    for (const afterMs of [0, 200, 700]) {
      assert.equal(textOf(await createFrom(host, 'brief', 'point', 'cat file')), 'then\n')
      const restoring = askRestore(host, 'brief', 'point')
      await sleep(afterMs)
      await end(host, 'brief')
      await restoring
      await end(host, 'brief')
      assert.deepEqual(await states(host), { one: 'running' })
      await untilOnly(host, 1)
    }
  })
})

describe('a sandbox that another one is merged into', { timeout: 600_000 }, () => {
  let host: Daemon
  before(async () => {
    host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '1' })
    await create(host, spec('parent', { env: { WHO: 'parent' } }), shell('echo first > file'))
    await fork(host, 'parent', 'winner', 'sibling', 'third')
    for (const id of ['parent', 'winner', 'sibling']) await say(host, id, `echo ${id} >> file`)
  })
  after(() => host?.stop())

  test('has its machine, processes and streams; the name that it had is gone, and so is what the parent was', async () => {
    const isRenamed = 'until [ "$(hostname)" = parent ]; do sleep 0.1; done'
    const won = exec(host, 'winner', `for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done; ${isRenamed}; hostname`)
    const cut = exec(host, 'parent', 'touch begun; sleep 600')
    await say(host, 'parent', 'until [ -e begun ]; do sleep 0.1; done')
    const answer = await askMerge(host, 'parent', 'winner')
    assert.equal(answer.status, 200, answer.body)
    const record = vmRecord.parse(JSON.parse(answer.body))
    assert.deepEqual([record.id, record.state], ['parent', 'running'])
    assert.equal(textOf(await won), '1\n2\n3\n4\n5\n6\n7\n8\nparent\n')
    assert.equal(breachOf(await cut), 'sandbox_replaced')
    assert.equal(await say(host, 'parent', 'cat file; echo $WHO'), 'first\nwinner\nparent')
    assert.equal(await say(host, 'sibling', 'cat file'), 'first\nsibling')
    assert.deepEqual(await states(host), { parent: 'running', sibling: 'running', third: 'running' })
    assert.equal((await exec(host, 'winner', 'true')).status, 404)
    await untilOnly(host, 3)
  })

  test('answers a repeat as it did, also to a daemon that was killed since, and never merges twice', async () => {
    await say(host, 'parent', 'echo since >> file')
    for (const restart of [false, true]) {
      if (restart) await host.signal('SIGKILL').then(() => host.launch())
      assert.equal(codeOf(await askMerge(host, 'parent', 'winner')), '200 ok')
      assert.equal(await say(host, 'parent', 'cat file'), 'first\nwinner\nsince')
      assert.equal(codeOf(await askMerge(host, 'sibling', 'winner')), '404 sandbox_not_found')
    }
    assert.deepEqual(await states(host), { parent: 'running', sibling: 'running', third: 'running' })
  })

  test('is not merged into itself, with a stranger, or with what is paused, unknown or of another kind; then both go on', async () => {
    assert.equal(codeOf(await askMerge(host, 'parent', 'parent')), '422 invalid_request')
    assert.equal(codeOf(await askMerge(host, 'parent', 'nobody')), '404 sandbox_not_found')
    assert.equal(codeOf(await askMerge(host, 'nobody', 'sibling')), '404 sandbox_not_found')
    await pause(host, 'sibling')
    assert.equal(codeOf(await askMerge(host, 'parent', 'sibling')), '409 sandbox_not_running')
    await resume(host, 'sibling')
    const machine = { vcpus: 1, memoryMib: 512, diskMib: 2_000 }
    await create(host, spec('other', { machine }), shell('true'))
    assert.equal(codeOf(await askMerge(host, 'parent', 'other')), '409 merge_not_possible')
    await end(host, 'other')
    assert.equal(await say(host, 'parent', 'cat file'), 'first\nwinner\nsince')
    assert.equal(await say(host, 'sibling', 'cat file'), 'first\nsibling')
  })

  test('may be paused, and runs afterwards; of two that are merged into each other at once one stays', async () => {
    await fork(host, 'sibling', 'cousin')
    await pauseIn(host, 'parent', 'memory')
    assert.equal(codeOf(await askMerge(host, 'parent', 'sibling')), '200 ok')
    assert.equal(await say(host, 'parent', 'cat file; rm file'), 'first\nsibling')
    await pauseIn(host, 'parent', 'disk')
    assert.equal(codeOf(await askMerge(host, 'parent', 'cousin')), '200 ok')
    assert.equal(await say(host, 'parent', 'cat file'), 'first\nsibling')
    assert.deepEqual((await stored(host)).snapshots, [])
    const both = await Promise.all([askMerge(host, 'parent', 'third'), askMerge(host, 'third', 'parent')])
    assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 404])
    const [left = ''] = Object.keys(await states(host))
    assert.match(await say(host, left, 'cat file'), /^first/)
  })

  test('whose machine dies later is lost under its own name, and nothing is left of either', async () => {
    const [left = ''] = Object.keys(await states(host))
    process.kill((await host.machineOf(left)).pid, 'SIGKILL')
    await host.until('the loss is told', 60_000, async () =>
      (await host.inventory()).lost.some(({ id }) => id === left),
    )
    await host.until('the store is empty', 60_000, async () => {
      const { snapshots, layers } = await stored(host)
      return snapshots.length + layers.length === 0
    })
    await untilOnly(host, 0)
  })
})
