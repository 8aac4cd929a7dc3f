/**
 * The plan of every statement that a request or a second of a region costs, on a database with 50,000 sandboxes in it: none reads a big
 * table from one end to the other. Statements inside the database's functions are seen by the rows that they read.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LOCKS } from '../../../../origin/controller/database/locks.ts'
import { migrateDatabase } from '../../../../origin/controller/database/migrate.ts'
import { ALL_ROUTES } from '../../../../shared/contracts/all-routes.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { askRoute } from '../isolation/ask-route.ts'
import { type Planted, plant } from '../isolation/plant.ts'
import { embedded, type TestServer } from '../support/databases.ts'
import { fillRegion } from '../support/fill-region.ts'
import { startRegion, type TestRegion, until } from '../support/region.ts'
import { seedTenants } from '../support/seed-tenants.ts'
import { type WholeAgent, wholeAgent } from '../support/whole-agent.ts'
import { recordStatements } from './record-statements.ts'

const ROWS = 50_000
/** As many rows each, or nearly. */
const BIG = ['sandbox', 'event', 'usage_interval', 'idempotency', 'delivery']
/** What looks at everything because that is what it is for, and how seldom it does. */
const SWEEPS: [text: RegExp, everyMs: number][] = [
  [/metered_as|usage_interval.*closed_at is null/s, LIMITS.reconcileMetersMs],
  [/reserved_vms|quota_grant.*used/s, LIMITS.recountMs],
]
const SWEEP_MS_MIN = 10_000
/** But for what is asked once in a while, and then for up to a thousand rows at a time. */
const ROUTES = ALL_ROUTES.filter(({ path }) => path !== '/v1/webhooks/:id/deliveries/replay')

describe(`in a region of ${ROWS} sandboxes`, { timeout: 600_000 }, () => {
  let server: TestServer
  let region: TestRegion
  let planted: Planted
  let agent: WholeAgent | undefined
  /** Holds the leader's lock, so that the sweeps do not disturb what is counted. */
  let leader: pg.Client
  before(async () => {
    server = await embedded.open()
    const url = await server.createDatabase()
    await migrateDatabase(url)
    leader = new pg.Client({ connectionString: url })
    await leader.connect()
    await leader.query('select pg_advisory_lock($1, $2)', [LOCKS.region, LOCKS.reconciler])
    region = await startRegion(url)
    agent = await wholeAgent()
    region.host.agent = agent.answer
    planted = await plant(region)
    const tenants = (await seedTenants(region.sql, 50)).map(({ id }) => id)
    // On a connection whose statements may take their time: the region's own are for what callers wait for.
    const fill: Fill = async (text, values = []) => (await leader.query(text, values)).rows
    await fillRegion({ sql: fill, hosts: await addHosts(region), tenants }, ROWS)
    await fillTheRest(fill, planted)
  })
  after(async () => {
    await leader?.end().catch(() => {})
    await region?.close()
    await agent?.remove()
    await server?.remove()
  })

  test('no route reads a big table from end to end, in its statements or in functions', async () => {
    const before = await rowsRead(region)
    const recording = recordStatements()
    const endsLast = ROUTES.toSorted((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'))
    for (const route of endsLast) await askRoute(region, route, planted.things, planted.owner.key)
    recording.stop()
    assert.ok(recording.statements.size > 60, `only ${recording.statements.size} statements were seen`)
    assert.deepEqual(await scansOf(region, recording.statements), [])
    const after = await rowsRead(region)
    for (const table of BIG) {
      const read = (after.get(table) ?? 0) - (before.get(table) ?? 0)
      assert.ok(read < ROWS / 2, `${read} rows of ${table} were read one after the other`)
    }
  })

  test('nor does what is done every second by whoever leads', async () => {
    const recording = recordStatements()
    await leader.end()
    await until('somebody to lead', () => [...recording.statements.keys()].some((text) => text.includes('there.id')))
    await sleep(2 * LIMITS.reconcileMs)
    recording.stop()
    const scans = await scansOf(region, recording.statements)
    const unexpected = scans.filter(({ text }) => !SWEEPS.some(([sweep]) => sweep.test(text)))
    assert.deepEqual(unexpected, [])
    for (const [sweep, everyMs] of SWEEPS) assert.ok(everyMs >= SWEEP_MS_MIN, `${sweep} comes too often`)
  })
})

/** Hosts that nobody asks anything, and that nobody misses yet. */
async function addHosts(region: TestRegion): Promise<string[]> {
  const rows = await region.sql<{ id: string }>(
    `insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
     select 'host_' || n, false, false, 1, 1, 1, 1, now() + interval '1 hour' from generate_series(1, 100) n returning id`,
  )
  return rows.map(({ id }) => id)
}

type Fill = <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>

/** What the trigger has not written: kept answers, and deliveries. */
async function fillTheRest(fill: Fill, { owner, things }: Planted): Promise<void> {
  await fill(
    `insert into idempotency select $1, 'create', 'filling ' || n, 'f', 's', 1, 201, '{}', now() + interval '1 day'
     from generate_series(1, ${ROWS}) n`,
    [`of ${owner.tenant}`],
  )
  await fill(
    `insert into delivery select (jsonb_populate_record(d, jsonb_build_object(
       'id', 'dlv_' || n, 'status', 'delivered', 'webhook', $2::text, 'finished_at', now()))).*
     from delivery d, generate_series(1, ${ROWS}) n where d.id = $1`,
    [things.delivery, things.webhook],
  )
  await fill('vacuum analyze')
}

type Plan = { 'Node Type': string; 'Relation Name'?: string; Plans?: Plan[] }

async function scansOf(
  region: TestRegion,
  statements: ReadonlyMap<string, unknown[]>,
): Promise<{ table: string; text: string }[]> {
  const scans: { table: string; text: string }[] = []
  for (const [text, values] of statements) {
    const [row] = await region.sql<{ 'QUERY PLAN': { Plan: Plan }[] }>(`explain (format json) ${text}`, values)
    const plans = row?.['QUERY PLAN'].map(({ Plan: plan }) => plan) ?? []
    for (const table of plans.flatMap(scannedIn)) scans.push({ table, text })
  }
  return scans
}

const scannedIn = (plan: Plan): string[] => [
  ...(plan['Node Type'] === 'Seq Scan' && BIG.includes(plan['Relation Name'] ?? '')
    ? [String(plan['Relation Name'])]
    : []),
  ...(plan.Plans ?? []).flatMap(scannedIn),
]

/** By PostgreSQL's own count, which sessions tell with a delay of up to a second. */
async function rowsRead(region: TestRegion): Promise<Map<string, number>> {
  await sleep(1_500)
  const rows = await region.sql<{ table: string; read: string }>(
    'select relname as table, seq_tup_read as read from pg_stat_user_tables',
  )
  return new Map(rows.map(({ table, read }) => [table, Number(read)]))
}
