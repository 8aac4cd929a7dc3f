/** One Idempotency-Key, one sandbox, with two whole controllers behind the edge, each with a database of its own. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type DelayedLink, startDelayedLink } from '../../harness/delayed-link.ts'
import { until } from '../../harness/until.ts'
import { textAt } from '../controller/support/region.ts'
import { CALIFORNIA, EUROPE, registryOf } from './stage/edge-stage.ts'
import { startTwoRegions, type Tenant, type TwoRegions } from './stage/two-regions.ts'

let stage: TwoRegions
/** Between the edge and the region in the west; a caller in the west reaches that one without it. */
let link: DelayedLink
let isBlocked = false

before(async () => {
  stage = await startTwoRegions()
  const west = () => {
    const { hostname: host, port } = new URL(stage.usw1.url)
    return isBlocked ? undefined : { host, port: Number(port) }
  }
  link = await startDelayedLink({ host: '127.0.0.1', port: 0 }, west, { oneWayMs: 0, jitterMs: 0 })
  const behindLink = { url: `http://127.0.0.1:${link.port}` }
  await stage.edge.putKv('CONFIG', 'regions:v1', registryOf(behindLink, stage.eu1))
})
after(async () => {
  await link.close()
  await stage.close()
})

type Answer = { status: number; id: string; region: string | null; text: string }

async function create(tenant: Tenant, key: string, more: { cf?: object; region?: string } = {}): Promise<Answer> {
  const response = await fetch(new URL('/v1/sandboxes', stage.edge.url), {
    method: 'POST',
    body: '{"tags":["one"]}',
    headers: {
      authorization: `Bearer ${tenant.key}`,
      'content-type': 'application/json',
      'idempotency-key': key,
      'mf-cf-blob': JSON.stringify(more.cf ?? CALIFORNIA),
      ...(more.region === undefined ? {} : { 'x-region': more.region }),
    },
  })
  const text = await response.text()
  const { status, headers } = response
  return { status, id: textAt(JSON.parse(text), 'data', 'id'), region: headers.get('x-region'), text }
}

/** Ids of what has not ended, in both databases. */
async function living({ tenant }: Tenant): Promise<string[]> {
  const query = `select id from sandbox where tenant = $1 and state not in ('destroyed', 'error')`
  const rows = await Promise.all([stage.usw1, stage.eu1].map((region) => region.sql<{ id: string }>(query, [tenant])))
  return rows.flat().map(({ id }) => id)
}

const used = async (tenant: Tenant): Promise<number> =>
  (await stage.shares(tenant)).reduce((sum, share) => sum + share.used, 0)

async function assertOne(tenant: Tenant, answers: readonly Answer[]): Promise<void> {
  for (const { status, text } of answers) assert.equal(status, 201, text)
  const ids = new Set(answers.map(({ id }) => id))
  assert.equal(ids.size, 1, [...ids].join(' '))
  await until('one survivor', async () => (await living(tenant)).length === 1)
  assert.deepEqual(await living(tenant), [...ids])
  assert.equal(await used(tenant), 1)
}

test('duplicates of one create take one slot, and all of them hear of it', async () => {
  const tenant = await stage.addTenant(1)
  await assertOne(tenant, await Promise.all(Array.from({ length: 12 }, () => create(tenant, 'k1'))))
})

test('a key that is sent to two regions at once is one sandbox in the end, for all callers', async () => {
  const tenant = await stage.addTenant(8)
  for (let round = 0; round < 4; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) => create(tenant, `r${round}`, { region: n % 2 === 0 ? 'us-west' : 'eu' })),
    )
    await assertOne(tenant, answers)
    const [{ id = '' } = {}] = answers
    await stage.destroy(id, tenant)
  }
})

test('a region that dies after it has made a sandbox loses it to the region that made it again', async () => {
  const tenant = await stage.addTenant(16)
  const gate = Promise.withResolvers<void>()
  stage.usw1.host.mishaps.push({ kind: 'hang', until: gate.promise })
  const creating = create(tenant, 'k1')
  await until('the row in the west', async () => (await living(tenant)).length === 1)
  isBlocked = true
  link.cut()
  const answer = await creating
  assert.deepEqual([answer.status, answer.region], [201, 'eu1'], answer.text)
  gate.resolve()
  await until('both sandboxes to run', async () => {
    const rows = await stage.usw1.sql('select from sandbox where tenant = $1 and state = $2', [
      tenant.tenant,
      'running',
    ])
    return rows.length === 1
  })
  const [orphan = '', ...others] = (await living(tenant)).filter((id) => id !== answer.id)
  assert.deepEqual([others, stage.usw1.host.vms.has(orphan)], [[], true])
  // Neither the region nor the edge remembers anything but what it has stored.
  await stage.usw1.restart()
  await stage.cutEdgeOff()
  await stage.bringEdgeBack()
  isBlocked = false
  await until('one survivor', async () => (await living(tenant)).length === 1)
  await assertOne(tenant, [answer, await create(tenant, 'k1'), await create(tenant, 'k1', { cf: EUROPE })])
  await until('its machine to be gone', () => !stage.usw1.host.vms.has(orphan))
})

test('a retry finds its sandbox after the edge was gone, wherever it lands', async () => {
  const tenant = await stage.addTenant(2)
  const first = await create(tenant, 'k1')
  await stage.cutEdgeOff()
  await stage.bringEdgeBack()
  await assertOne(tenant, [
    first,
    await create(tenant, 'k1', { cf: EUROPE }),
    await create(tenant, 'k1', { region: 'eu' }),
  ])
})
