/**
 * kill -9 of real controllers at 200 random moments of 1,000 lifecycles: no acknowledged sandbox is lost, no machine is without a
 * row, and 30 s after the last restart no meter runs for what does not.
 *
 * Two controllers share the region, and a kill takes either or both of them, also while they start.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { migrateDatabase } from '../../../origin/controller/database/migrate.ts'
import { bundleController } from '../../harness/bundle-controller.ts'
import { drawsFrom, seedOfRun } from '../../harness/draws.ts'
import { auditRegion } from '../../integration/controller/support/audit-region.ts'
import { embedded } from '../../integration/controller/support/databases.ts'
import { startHostDouble } from '../../integration/controller/support/host-double.ts'
import { until } from '../../integration/controller/support/region.ts'
import { seedTenants } from '../../integration/controller/support/seed-tenants.ts'
import { spawnController } from '../../integration/controller/support/spawn-controller.ts'
import { startClients } from './clients.ts'

const KILLS = Number(process.env.ATOLL_TEST_KILLS ?? 200)
const LIFECYCLES_PER_KILL = 5
const CLIENTS = 8
const PAUSE_MS_MAX = 300
const MENDED_WITHIN_MS = 90_000

type Undo = (() => Promise<unknown>)[]

test(`after ${KILLS} kills among ${KILLS * LIFECYCLES_PER_KILL} lifecycles everything is as its callers were told`, {
  timeout: 800_000,
}, async (t) => {
  const undo: Undo = []
  try {
    await killAnytime(t, undo)
  } finally {
    for (const step of undo.reverse()) await step()
  }
})

async function killAnytime(t: TestContext, undo: Undo): Promise<void> {
  const seed = seedOfRun()
  t.diagnostic(`ATOLL_TEST_SEED=${seed}`)
  const draw = drawsFrom(seed)
  const server = await embedded.open()
  undo.push(server.remove)
  const databaseUrl = await server.createDatabase()
  await migrateDatabase(databaseUrl)
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  undo.push(() => pool.end())
  const sql = async <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
    (await pool.query(text, values)).rows
  const hosts = await Promise.all(['h1', 'h2'].map(startHostDouble))
  undo.push(() => Promise.all(hosts.map((host) => host.close())))
  const directory = mkdtempSync(join(tmpdir(), 'atoll-kill-'))
  undo.push(async () => rmSync(directory, { recursive: true, force: true }))
  const main = await bundleController(directory)
  const controllers = [spawnController(databaseUrl, hosts, main), spawnController(databaseUrl, hosts, main)]
  undo.push(() => Promise.all(controllers.map((one) => one.kill())))
  await Promise.all(controllers.map((one) => one.start()))
  const [tenant] = await seedTenants(sql, 1)

  const clients = startClients(controllers, { key: tenant?.key ?? '', count: CLIENTS, draw })
  let starting: Promise<void>[] = []
  for (let kill = 1; kill <= KILLS; kill++) {
    t.signal.throwIfAborted()
    await until('lifecycles to go on', () => clients.begun >= kill * LIFECYCLES_PER_KILL)
    const victims = draw() < 0.1 ? controllers : controllers.slice(kill % 2).slice(0, 1)
    // Most are at work when they are killed, and some are just starting.
    if (draw() < 0.9) await until('the victim to serve', () => victims.every(({ url }) => url !== undefined))
    await sleep(draw() * PAUSE_MS_MAX)
    await Promise.all(victims.map((one) => one.kill()))
    starting = [...starting, ...victims.map((one) => one.start())]
  }
  await Promise.all(starting)
  const restartedAt = Date.now()
  await clients.settle()
  const settledAt = Date.now()

  const faults = async (): Promise<string[]> => {
    const rows = await sql<{ id: string; state: string }>('select id, state from sandbox where released_at is null')
    const alive = new Map(rows.map(({ id, state }) => [id, state]))
    const machines = new Set(hosts.flatMap((host) => [...host.vms.keys()]))
    return [
      ...[...clients.alive]
        .filter((id) => !['running', 'paused'].includes(alive.get(id) ?? ''))
        .map((id) => `${id} was acknowledged, and is ${alive.get(id)}`),
      ...[...alive.keys()]
        .filter((id) => !clients.alive.has(id))
        .map((id) => `${id} has a row, and nobody was told of it`),
      ...[...clients.alive].filter((id) => !machines.has(id)).map((id) => `${id} has no machine`),
      ...[...machines].filter((id) => !alive.has(id)).map((id) => `${id} has a machine and no row`),
      ...(await auditRegion(sql)),
    ]
  }
  let left = await faults()
  while (left.length > 0 && !t.signal.aborted && Date.now() < settledAt + MENDED_WITHIN_MS) {
    await sleep(250)
    left = await faults()
  }
  t.diagnostic(
    `${KILLS} kills, ${clients.begun} lifecycles, ${clients.cut} requests cut off, ${clients.alive.size} sandboxes alive, right ${Date.now() - restartedAt} ms after the last restart`,
  )
  assert.deepEqual(left, [])
  assert.ok(clients.cut > 0, 'kills that cut off no request prove nothing')
}
