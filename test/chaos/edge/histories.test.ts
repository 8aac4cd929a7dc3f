/**
 * Random histories of the whole of it: clients over the edge and at the regions' own addresses, three regions, a lagging KV, and
 * whatever can break: controllers, databases, the edge, its authorities over limits, the ways between them, hosts.
 *
 *   at any moment   over all regions no more sandboxes than the limit, and no more that may be made; no answer that takes back another
 *   in the end      one sandbox at most of one key; who was told of a sandbox reaches it; nothing is left that nobody was told of; no
 *                   meter runs for nothing; all of the limit can be used
 *
 * ATOLL_TEST_SEED repeats one history, ATOLL_TEST_EDGE_SEC says how long to go on. A timing never fails it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { live } from './history.ts'
import { startWorld } from './world.ts'

/** Histories that once went wrong. */
const KEPT_SEEDS: number[] = []
const SECONDS = Number(process.env.ATOLL_TEST_EDGE_SEC ?? 40)
const SEEDS = 1_000_000
/** For the beginning, and for the last history, which may have to wait for all that comes late. */
const GRACE_SEC = 700

test('limits, keys, sandboxes and meters come through whatever breaks between clients, edge and regions', {
  timeout: (SECONDS + GRACE_SEC) * 1_000,
}, async (t) => {
  const world = await startWorld()
  const endMs = Date.now() + SECONDS * 1_000
  try {
    const given = process.env.ATOLL_TEST_SEED
    const seeds = given === undefined ? [...KEPT_SEEDS] : [Number(given)]
    let [histories, sandboxes, looks] = [0, 0, 0]
    const isTimeLeft = (): boolean => given === undefined && (histories === 0 || Date.now() < endMs)
    const answers = new Map<string, number>()
    for (let seed = seeds.shift(); seed !== undefined || isTimeLeft(); seed = seeds.shift()) {
      const one = seed ?? Math.floor(Math.random() * SEEDS)
      const told = await live(world, one).catch((cause: unknown) => {
        throw new Error(`ATOLL_TEST_SEED=${one} goes wrong; keep it in KEPT_SEEDS.`, { cause })
      })
      if (given !== undefined) t.diagnostic(told.story.join('\n'))
      histories += 1
      sandboxes += told.sandboxes
      looks += told.looks
      for (const [answer, count] of told.answers) answers.set(answer, (answers.get(answer) ?? 0) + count)
    }
    t.diagnostic(`${histories} histories, ${sandboxes} sandboxes, the limits looked at ${looks} times`)
    t.diagnostic([...answers].map(([answer, count]) => `${count} x ${answer}`).join(', '))
    assert.ok(looks > histories, 'limits that nobody looked at prove nothing')
  } finally {
    await world.close()
  }
})
