/** One region of the world: a database, a host and controllers as processes, each of which can be taken away and given back. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { migrateDatabase } from '../../../origin/controller/database/migrate.ts'
import { embedded, type TestServer } from '../../integration/controller/support/databases.ts'
import { type HostDouble, startHostDouble } from '../../integration/controller/support/host-double.ts'
import { OPERATOR } from '../../integration/controller/support/region.ts'
import { type SpawnedController, spawnController } from '../../integration/controller/support/spawn-controller.ts'
import { PUBLIC_KEY } from '../../integration/edge/stage/edge-stage.ts'
import { startWay, type Way } from './way.ts'

export type RegionSite = {
  code: string
  host: HostDouble
  database: TestServer
  controllers: SpawnedController[]
  /** From the edge and from other regions to here. */
  way: Way
  /** From here to the edge. */
  wayOut: Way
  pool: pg.Pool
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>
  /** Of a controller that serves. */
  url(draw?: () => number): string | undefined
  /** Starts what was killed, again and again until it stays: its database may be away. */
  revive(controller: SpawnedController): Promise<void>
  close(): Promise<void>
}

export type RegionPlan = {
  code: string
  /** From the edge. */
  oneWayMs: number
  controllers: number
  main: string
  edgeUrl: () => string | undefined
  /** Of the home region, for one that follows it. */
  home: RegionSite | undefined
}

const REVIVED_WITHIN_MS = 180_000
const START_AGAIN_MS = 300
const EDGE_JWKS = JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] })

export async function startRegionSite(plan: RegionPlan): Promise<RegionSite> {
  const undo: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    isOver = true
    for (const step of undo.splice(0).reverse()) await step()
  }
  let isOver = false
  try {
    const database = await embedded.open()
    undo.push(database.remove)
    const databaseUrl = await database.createDatabase()
    await migrateDatabase(databaseUrl)
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 4, connectionTimeoutMillis: 10_000 })
    // The database is taken away under it.
    pool.on('error', () => undefined)
    undo.push(() => pool.end())
    const host = await startHostDouble(`host-${plan.code}`)
    undo.push(host.close)
    const controllers: SpawnedController[] = []
    const url = (draw: () => number = () => 0): string | undefined => {
      const urls = controllers.flatMap((one) => one.url ?? [])
      return urls[Math.floor(draw() * urls.length)]
    }
    const way = await startWay(url, plan.oneWayMs)
    undo.push(way.close)
    const wayOut = await startWay(plan.edgeUrl, plan.oneWayMs)
    undo.push(wayOut.close)
    const settings = {
      ATOLL_REGION: plan.code,
      ATOLL_REGION_NAME: `name-of-${plan.code}`,
      ATOLL_EDGE_JWKS: EDGE_JWKS,
      ATOLL_OPERATOR_TOKEN: OPERATOR,
      ATOLL_QUOTA_URL: wayOut.url,
      ...(plan.home === undefined ? { ATOLL_EDGE_URL: wayOut.url } : { ATOLL_HOME_URL: plan.home.way.url }),
    }
    for (let n = 0; n < plan.controllers; n++)
      controllers.push(spawnController(databaseUrl, [host], plan.main, settings))
    undo.push(() => Promise.all(controllers.map((one) => one.kill())))
    await Promise.all(controllers.map((one) => one.start()))

    return {
      code: plan.code,
      host,
      database,
      controllers,
      way,
      wayOut,
      pool,
      url,
      sql: async (text, values = []) => (await pool.query(text, values)).rows,
      async revive(controller) {
        for (const end = Date.now() + REVIVED_WITHIN_MS; !isOver; await sleep(START_AGAIN_MS)) {
          try {
            return await controller.start()
          } catch (err) {
            if (Date.now() > end) throw err
          }
        }
      },
      close,
    }
  } catch (err) {
    await close()
    throw err
  }
}
