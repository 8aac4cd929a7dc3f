/** Many pauses of one sandbox that never stops working: a few by default, a thousand with ATOLL_TEST_CYCLES=1000. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Daemon } from '../../../harness/host-daemon.ts'
import { create, exec, shell, spec } from '../requests.ts'
import { openXfs } from '../snapshots/mounted-place.ts'
import { pause, resume, say, untilOnDisk, whereIs } from './calls.ts'

const CYCLES = Number(process.env.ATOLL_TEST_CYCLES ?? 12)
const CYCLE_MS_MAX = 60_000

/** Where disks are cloned, and where they are chains of layers. */
const PLACES = [
  ['XFS', openXfs],
  ['a file system without reflinks', async () => undefined],
] as const

const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i >> counted; sleep 0.05; done'

/** Writes random blocks of a file, and remembers each; in the end it reads them all from the disk again. */
const WRITER = `
import os, random, time
BLOCK, BLOCKS = 4096, 2048
file = os.open('blocks', os.O_RDWR | os.O_CREAT)
written = {}
while not os.path.exists('enough'):
    at, block = random.randrange(BLOCKS), os.urandom(BLOCK)
    os.pwrite(file, block, at * BLOCK)
    written[at] = block
    if random.random() < 0.2:
        os.fsync(file)
    time.sleep(0.005)
os.fsync(file)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
same = sum(os.pread(file, BLOCK, at * BLOCK) == block for at, block in written.items())
with open('verdict', 'w') as verdict:
    verdict.write('%d of %d' % (same, len(written)))
`

// What a sandbox did before a pause is what its owner pays for; what it did twice may have been a payment.
for (const [fileSystem, openPlace] of PLACES)
  test(`over ${CYCLES} pauses, in memory and on disk on ${fileSystem}, no write is lost and no count is repeated`, {
    timeout: 60_000 + CYCLES * CYCLE_MS_MAX,
  }, async (t) => {
    await using place = await openPlace()
    const host = await Daemon.start({ ATOLL_STANDBY_AFTER_SEC: '0' }, place)
    await using _host = { [Symbol.asyncDispose]: () => host.stop() }
    await create(host, spec('box'), shell('true'))
    const begin = `cat > writer.py << 'END'\n${WRITER}\nEND\n(python3 writer.py > errors 2>&1 &); (${COUNTER}) > /dev/null 2>&1 &`
    await exec(host, 'box', `${begin} until [ -s blocks ]; do sleep 0.1; done`)
    const tookMs: Record<string, number[]> = { memory: [], disk: [] }
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await sleep(Math.random() * 300)
      assert.equal((await pause(host, 'box')).status, 200)
      const isToDisk = cycle % 2 === 0
      if (isToDisk) await untilOnDisk(host, 'box')
      const from = (await whereIs(host, 'box')).split(' ').at(-1) ?? ''
      const sinceMs = performance.now()
      const { status, body } = await resume(host, 'box')
      tookMs[from]?.push(performance.now() - sinceMs)
      assert.equal(status, 200, body)
    }
    await say(host, 'box', 'touch enough; until [ -s verdict ]; do sleep 0.1; done')
    const [same, , written] = (await say(host, 'box', 'cat verdict')).split(' ').map(Number)
    assert.ok(same !== undefined && same > 0)
    assert.equal(same, written, 'every block is what was written last')
    assert.equal(
      await say(host, 'box', "awk '$1 != NR { print NR; exit }' counted"),
      '',
      'no count is left out or repeated',
    )
    assert.ok(Number(await say(host, 'box', 'wc -l < counted')) > CYCLES)
    assert.equal(await say(host, 'box', 'cat errors'), '')
    for (const [from, ms] of Object.entries(tookMs)) {
      const sorted = ms.toSorted((a, b) => a - b)
      t.diagnostic(
        `resumed from ${from} ${ms.length} times, the middle one in ${sorted[ms.length >> 1]?.toFixed(1)} ms`,
      )
    }
  })
