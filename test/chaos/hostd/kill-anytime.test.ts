/** The daemon is killed at random moments of its sandboxes' lives. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, readyOf, shell, spec, textOf } from '../../integration/hostd/requests.ts'

const ROUNDS = 6
const LIFE_MS_MAX = 900

/** Sandboxes are made and every second one destroyed, until the daemon dies; the acknowledged ones that should live are returned. */
async function live(host: Daemon, round: number): Promise<string[]> {
  const alive: string[] = []
  for (let i = 0; ; i++) {
    const id = `s${round}-${i}`
    try {
      const made = await create(host, spec(id), shell(`echo ${id} > name`))
      readyOf(made)
      if (i % 2 === 0) alive.push(id)
      else await host.send('DELETE', `/v1/vms/${id}`)
    } catch {
      return alive
    }
  }
}

// An unowned machine would run unseen until the host is rebooted; a forgotten sandbox is a customer's work lost.
test('whenever the daemon is killed, nothing acknowledged is lost and nothing unowned is left', async (t) => {
  const host = await Daemon.start({ ATOLL_POOL: 'default@xs=1' })
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const lifeMs = randomInt(LIFE_MS_MAX)
      t.diagnostic(`round ${round}: killed after ${lifeMs} ms`)
      const living = live(host, round)
      await sleep(lifeMs)
      await host.signal('SIGKILL')
      const acknowledged = await living
      await host.launch()
      const inventory = await host.inventory()
      const found = inventory.vms.map(({ id }) => id)
      for (const id of acknowledged) {
        assert.ok(found.includes(id), `${id} was acknowledged and is gone`)
        assert.equal(textOf(await exec(host, id, 'cat name')), `${id}\n`)
      }
      for (const id of found) await host.send('DELETE', `/v1/vms/${id}`)
      for (const { id } of inventory.lost) await host.send('DELETE', `/v1/vms/${id}`)
      await host.untilPooled('default@xs', 1)
      const machines = (await host.machines()).map(({ name }) => name)
      assert.equal(machines.length, 1, 'only the pool is left')
      assert.deepEqual(new Set(await host.leftovers()), new Set(machines))
    }
  } finally {
    await host.stop()
  }
})
