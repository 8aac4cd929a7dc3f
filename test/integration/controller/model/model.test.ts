/**
 * Random histories against a simple model: several tenants at several controllers, hosts that refuse, lose answers and lose machines,
 * controllers that come and go. Every answer is compared with the model, and after each history the database with itself.
 *
 * ATOLL_TEST_SEED repeats one history, ATOLL_TEST_MODEL_SEC says how long to go on.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RunningController } from '../../../../origin/controller/start.ts'
import { drawsFrom } from '../../../harness/draws.ts'
import { auditRegion } from '../support/audit-region.ts'
import { embedded } from '../support/databases.ts'
import { startRegion, until } from '../support/region.ts'
import { doSomething } from './commands.ts'
import type { World } from './world.ts'

/** Histories that once went wrong. */
const KEPT_SEEDS: number[] = []
const STEPS = 150
const SECONDS = Number(process.env.ATOLL_TEST_MODEL_SEC ?? 25)

describe('a region', { timeout: (SECONDS + 120) * 1_000 }, () => {
  test('says and does what the model says, whatever comes in whatever order', async (t) => {
    const server = await embedded.open()
    try {
      const given = process.env.ATOLL_TEST_SEED
      const end = Date.now() + SECONDS * 1_000
      const seeds = given === undefined ? [...KEPT_SEEDS] : [Number(given)]
      let histories = 0
      for (
        let seed = seeds.shift();
        seed !== undefined || (given === undefined && Date.now() < end);
        seed = seeds.shift()
      ) {
        const one = seed ?? Math.floor(Math.random() * 1_000_000)
        await live(await server.createDatabase(), one).catch((cause: unknown) => {
          throw new Error(`ATOLL_TEST_SEED=${one} goes wrong; keep it in KEPT_SEEDS.`, { cause })
        })
        histories += 1
      }
      t.diagnostic(`${histories} histories of ${STEPS} steps`)
    } finally {
      await server.remove()
    }
  })
})

async function live(databaseUrl: string, seed: number): Promise<void> {
  const draw = drawsFrom(seed)
  const region = await startRegion(databaseUrl, { hosts: 2 })
  let second: RunningController | undefined
  const done: string[] = []
  try {
    const limits = [3, 6]
    const tenants = await Promise.all(
      limits.map(async (limit) => ({
        ...(await region.newKey({ concurrency: limit })),
        limit,
        sandboxes: new Map(),
        snapshots: new Map(),
      })),
    )
    const urls = (): string[] => [
      region.url,
      ...(second === undefined ? [] : [`http://${second.address.host}:${second.address.port}`]),
    ]
    const world: World = { region, hosts: region.hosts, tenants, urls, draw }
    for (let step = 0; step < STEPS; step++) {
      if (draw() < 0.02) done.push(await changeControllers())
      done.push(await doSomething(world))
    }
    await until(
      'the database to agree with itself',
      async () => (await auditRegion(region.sql)).length === 0,
      10_000,
    ).catch(() => {})
    assert.deepEqual(await auditRegion(region.sql), [])
    const living = tenants.flatMap(({ sandboxes }) => [...sandboxes.keys()])
    const machines = region.hosts.flatMap(({ vms }) => [...vms.keys()])
    assert.deepEqual(machines.sort(), living.sort())
    const kept = tenants.flatMap(({ snapshots }) => [...snapshots.keys()])
    const keptThere = region.hosts.flatMap(({ snapshots }) => [...snapshots.keys()])
    assert.deepEqual(keptThere.sort(), kept.sort())
  } catch (cause) {
    throw new Error(`after ${done.slice(-8).join(', ')} (step ${done.length})`, { cause })
  } finally {
    await second?.stop()
    await region.close()
  }

  async function changeControllers(): Promise<string> {
    if (second === undefined) {
      second = await region.join()
      return 'join'
    }
    if (draw() < 0.5) {
      await region.restart()
      return 'restart'
    }
    const leaving = second
    second = undefined
    await leaving.stop()
    return 'leave'
  }
}
