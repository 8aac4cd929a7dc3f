/** A network that parts controllers from their database breaks no connection: it answers no more, and nobody says so. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import type { RunningController } from '../../../origin/controller/start.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { embedded, type TestServer } from './support/databases.ts'
import { startRegion, type TestRegion, until } from './support/region.ts'
import { type SilentWire, startSilentWire } from './support/silent-wire.ts'

const NOTICED_WITHIN_MS = LIMITS.databaseSilenceMs + LIMITS.databaseStatementMs + 20_000
const STOPPED_WITHIN_MS = LIMITS.drainMs + 2 * (LIMITS.databaseStatementMs + LIMITS.databaseConnectMs) + 10_000

describe('a database that has fallen silent', { timeout: 600_000 }, () => {
  let server: TestServer | undefined
  let wire: SilentWire
  let region: TestRegion
  let controllers: RunningController[] = []
  /** Past the wire. */
  let database: pg.Client
  before(async () => {
    server = await embedded.open()
    const url = await server.createDatabase()
    wire = await startSilentWire(`${new URL(url).searchParams.get('host')}/.s.PGSQL.5432`)
    region = await startRegion(`postgresql://atoll@127.0.0.1:${wire.port}${new URL(url).pathname}`)
    controllers = [region.running, await region.join()]
    database = new pg.Client({ connectionString: url })
    await database.connect()
  })
  after(async () => {
    await database?.end()
    await wire?.close()
    await Promise.all(region?.hosts.map((host) => host.close()) ?? [])
    await server?.remove()
  })

  // Others would take the work of a controller that seems dead for nobody's, for as long as its network needs to notice.
  test('is connected to anew, and every controller is known to live', async () => {
    wire.fallSilent()
    // The server has noticed by its own means.
    await database.query('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
    wire.speak()
    const isKnown = async (number: number): Promise<boolean> => {
      const { rows } = await database.query<{ alive: boolean }>('select instance_alive($1) as alive', [number])
      return rows[0]?.alive === true
    }
    for (const { controller } of controllers)
      await until('it to be known', () => isKnown(controller.instance.number), NOTICED_WITHIN_MS)
    assert.equal((await region.ask('/v1/sandboxes', { method: 'POST', body: {} })).status, 201)
  })

  test('does not keep a controller from stopping', async () => {
    wire.fallSilent()
    let stopped = 0
    for (const { stop } of controllers) void stop().then(() => stopped++)
    await until('both to have stopped', () => stopped === controllers.length, STOPPED_WITHIN_MS)
  })
})
