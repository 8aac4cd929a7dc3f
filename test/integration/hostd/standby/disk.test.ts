/** A sandbox that is paused for long stands on disk: its process is gone, and the same call that resumes any other lets it go on. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FRAME, frameJson } from '../../../../shared/frames.ts'
import { Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, isNow, shell, spec, textOf } from '../requests.ts'
import { createFrom, remove, take } from '../snapshots/calls.ts'
import { parkedFiles, pause, RESUMED, recordOf, resume, say, untilOnDisk, whereIs } from './calls.ts'

/** An interpreter with a variable, an open file, a connection to itself and a thread that counts into the file over it, five times a second. */
const INTERPRETER = `
import os, socket, threading, time
ours, theirs = socket.socketpair()
log = open('counted', 'a')
secret = os.urandom(8).hex()
open('secret', 'w').write(secret)
def count():
    n = 0
    while True:
        n += 1
        ours.send(b'%d\\n' % n)
        time.sleep(0.2)
threading.Thread(target=count, daemon=True).start()
for line in theirs.makefile():
    log.write(line)
    log.flush()
    with open('secret-new', 'w') as now: now.write(secret + os.environ['WHO'])
    os.rename('secret-new', 'secret-now')
`

describe('a sandbox that is paused on disk', { timeout: 600_000 }, () => {
  let host: Daemon
  before(async () => {
    host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '0' })
    await create(host, spec('box', { env: { WHO: 'me' } }), shell('true'))
    await exec(
      host,
      'box',
      `cat > it.py << 'END'\n${INTERPRETER}\nEND\n(python3 it.py > errors 2>&1 &)
until [ -s secret-now ]; do sleep 0.1; done`,
    )
  })
  after(() => host?.stop())

  const counted = async (id: string): Promise<number[]> => (await say(host, id, 'cat counted')).split('\n').map(Number)
  const follows = (numbers: number[]): void =>
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
    )

  test('has no process there, and goes on with its files, processes, interpreters, environment and the right time', async () => {
    const before = await counted('box')
    const secret = await say(host, 'box', 'cat secret')
    await pause(host, 'box')
    await untilOnDisk(host, 'box')
    // It is told to be there as soon as it is whole; what it was before ends a moment later.
    await host.until('no process is left', 60_000, async () => {
      const [machines, leftovers] = await Promise.all([host.machines(), host.leftovers()])
      return machines.length + leftovers.length === 0
    })
    assert.equal((await exec(host, 'box', 'true')).status, 409)
    const { state, disk_bytes, resident_bytes } = JSON.parse((await host.send('GET', '/v1/vms/box/stats')).body)
    assert.deepEqual([state, resident_bytes], ['paused', 0])
    assert.ok(disk_bytes > 0)
    await sleep(1_500)
    const sinceMs = Date.now()
    assert.equal((await resume(host, 'box')).status, 200)
    assert.equal(await whereIs(host, 'box'), 'running')
    assert.ok(isNow(Number(await say(host, 'box', 'date +%s')), sinceMs))
    await host.until('it counts on', 60_000, async () => (await counted('box')).length > before.length)
    follows(await counted('box'))
    assert.equal(await say(host, 'box', 'cat secret-now; echo; cat errors; echo $WHO'), `${secret}me\nme`)
    const { records, snapshots } = await parkedFiles(host)
    assert.deepEqual([records, snapshots], [[], []])
  })

  // Whoever pauses overnight in the middle of a long computation finds it further in the morning, not begun anew.
  test('goes on with the commands that ran, unheard, and is not idle until they have ended', async () => {
    const command = exec(host, 'box', 'echo begun; for i in 1 2 3 4 5 6; do echo $i >> told; echo $i; sleep 1; done')
    await say(host, 'box', 'until [ -s told ]; do sleep 0.1; done')
    await pause(host, 'box')
    const last = (await command).frames.at(-1)
    assert.match(last?.type === FRAME.error ? JSON.stringify(frameJson(last)) : '', /sandbox_paused/)
    await untilOnDisk(host, 'box')
    await host.send('POST', '/v1/vms/box/resume', { ...RESUMED, idle_timeout_sec: 1 })
    await host.until('it is idle', 60_000, async () => (await whereIs(host, 'box')) !== 'running')
    await resume(host, 'box')
    assert.equal(await say(host, 'box', 'tr -d "\\n" < told'), '123456')
  })

  test('can be kept as a snapshot from there, restored, and given the machine of another one', async () => {
    await say(host, 'box', 'echo first > file')
    await pause(host, 'box')
    await untilOnDisk(host, 'box')
    await take(host, 'box', 'named')
    assert.equal(textOf(await createFrom(host, 'other', 'named', 'cat file; echo second > file')), 'first\n')
    await host.send('POST', '/v1/vms/box/restore', { snapshot_id: 'named', deadlines: RESUMED })
    assert.equal(await whereIs(host, 'box'), 'running')
    await say(host, 'box', 'echo third > file')
    await pause(host, 'box')
    await untilOnDisk(host, 'box')
    assert.equal((await host.send('POST', '/v1/vms/box/fork', { children: [spec('child')] })).status, 409)
    assert.equal((await host.send('POST', '/v1/vms/box/merge', { winner: 'other' })).status, 200)
    assert.equal(await say(host, 'box', 'cat file; cat errors'), 'second')
    await remove(host, 'named')
    const { records, snapshots } = await parkedFiles(host)
    assert.deepEqual([records, snapshots], [[], []])
  })

  test('may be paused while a snapshot of it is taken: both are done, one after the other', async () => {
    const taking = take(host, 'box', 'amid')
    const [snapshot, paused] = await Promise.all([taking, pause(host, 'box')])
    assert.deepEqual([snapshot.sandbox, paused.status], ['box', 200])
    await untilOnDisk(host, 'box')
    assert.equal((await resume(host, 'box')).status, 200)
    await remove(host, 'amid')
  })

  test('is paused and resumed twice as if once, whatever comes together', async () => {
    const answers = await Promise.all([pause(host, 'box'), pause(host, 'box'), resume(host, 'box'), pause(host, 'box')])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    )
    await untilOnDisk(host, 'box')
    const [first, second, third] = await Promise.all([resume(host, 'box'), resume(host, 'box'), pause(host, 'box')])
    assert.deepEqual([first.status, second.status, third.status], [200, 200, 200])
    assert.match(await whereIs(host, 'box'), /^paused/)
    assert.equal((await resume(host, 'box')).status, 200)
    follows(await counted('box'))
  })

  test('keeps what it is told about its time there, and ends with it', async () => {
    await create(host, spec('brief'), shell('true'))
    await pause(host, 'brief')
    await untilOnDisk(host, 'brief')
    const expires_at_ms = Date.now() + 60_000
    const deadlines = { expires_at_ms, on_expiry: 'destroy', idle_timeout_sec: 7 }
    assert.equal((await host.send('POST', '/v1/vms/brief/deadlines', deadlines)).status, 200)
    await host.signal('SIGKILL')
    await host.launch()
    const record = await recordOf(host, 'brief')
    assert.deepEqual(
      [record?.standby, record?.expires_at_ms, record?.on_expiry, record?.idle_timeout_sec],
      ['disk', expires_at_ms, 'destroy', 7],
    )
    await host.send('POST', '/v1/vms/brief/deadlines', { ...deadlines, expires_at_ms: Date.now() })
    await host.until('it is gone', 60_000, async () => (await whereIs(host, 'brief')) === 'nowhere')
    assert.equal((await host.inventory()).lost.find(({ id }) => id === 'brief')?.cause, 'expired')
    await host.send('DELETE', '/v1/vms/brief')
    const { records, snapshots } = await parkedFiles(host)
    assert.deepEqual([records, snapshots], [[], []])
  })

  test('that is destroyed, there or on its way there or back, leaves nothing', async () => {
    for (const momentMs of [0, 300, 600, 2_000]) {
      await create(host, spec('doomed'), shell('true'))
      await pause(host, 'doomed')
      await sleep(momentMs)
      if (momentMs === 2_000) resume(host, 'doomed').catch(() => {})
      await sleep(100)
      assert.equal((await host.send('DELETE', '/v1/vms/doomed')).status, 204)
      assert.equal(await whereIs(host, 'doomed'), 'nowhere')
      assert.equal((await host.machines()).length, 1)
    }
    await host.until('nothing is left', 60_000, async () => {
      const { records, snapshots } = await parkedFiles(host)
      return records.length + snapshots.length === 0
    })
    assert.equal(textOf(await exec(host, 'box', 'echo here')), 'here\n')
  })
})
