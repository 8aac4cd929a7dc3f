/** A tenant's limit over two regions, asked directly and through the edge: exact, and never in the way. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { reportDue } from '../../../origin/controller/quota/keep-shares.ts'
import { AppError } from '../../../shared/errors.ts'
import { type Answer, at, OPERATOR, textAt, until } from '../controller/support/region.ts'
import { startTwoRegions, type Tenant, type TwoRegions } from './stage/two-regions.ts'

let stage: TwoRegions
before(async () => {
  stage = await startTwoRegions()
})
after(() => stage.close())

const WHERE = ['usw1', 'eu1', 'edge'] as const
const idOf = ({ json }: Answer): string => textAt(json, 'data', 'id')
const codeOf = ({ json }: Answer): string => textAt(json, 'error', 'code')
const sumOf = (shares: readonly { used: number; granted: number }[], part: 'used' | 'granted'): number =>
  shares.reduce((sum, share) => sum + share[part], 0)

/** How often a region has asked the authority because a create was waiting. */
async function needs(): Promise<number> {
  const counted = await Promise.all(
    [stage.usw1, stage.eu1].map(({ running }) => running.controller.metrics.quotaExchanges.get()),
  )
  return counted
    .flatMap(({ values }) => values)
    .filter(({ labels }) => labels.outcome === 'need')
    .reduce((sum, { value }) => sum + value, 0)
}

async function fill(tenant: Tenant, count: number): Promise<string[]> {
  const made: string[] = []
  for (let n = 0; n < count; n++) {
    const answer = await stage.create(WHERE[n % 3] ?? 'edge', tenant)
    assert.equal(answer.status, 201, answer.text)
    made.push(idOf(answer))
  }
  return made
}

// The promise of the whole: what two regions that never saw each other let in together is the limit, to the one.
test('of 200 creates at once over both regions and the edge exactly 50 live at a limit of 50', async () => {
  const tenant = await stage.addTenant(50)
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => stage.create(WHERE[n % 3] ?? 'edge', tenant)))
  const refused = answers.filter(({ status }) => status !== 201)
  assert.deepEqual(
    [...new Set(refused.map((answer) => `${answer.status} ${codeOf(answer)}`))],
    ['429 concurrency_limit'],
  )
  assert.equal(answers.length - refused.length, 50)
  assert.equal(sumOf(await stage.shares(tenant), 'used'), 50)
  for (const { json, headers } of refused) {
    assert.equal(at(json, 'error', 'details', 'limit'), 50)
    assert.equal(at(json, 'error', 'details', 'tier'), tenant.tier)
    // The last slots may have been promised to creates that are still on their way.
    const running = Number(at(json, 'error', 'details', 'running'))
    assert.ok(running > 25 && running <= 50, `${running}`)
    assert.equal(headers.get('ratelimit-policy'), '"concurrency";q=50;qu="concurrent-requests"')
    assert.ok(headers.get('retry-after'))
  }
})

// Each draws epochs for the same row, and so may overtake the other in the middle of an exchange.
test('two controllers of one region share its part, and together with the other region keep to the limit', async () => {
  const tenant = await stage.addTenant(20)
  const second = await stage.usw1.join()
  const urls = [stage.usw1.url, `http://${second.address.host}:${second.address.port}`, stage.eu1.url]
  try {
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, n) =>
        fetch(`${urls[n % 3]}/v1/sandboxes`, {
          method: 'POST',
          body: '{}',
          headers: { authorization: `Bearer ${tenant.key}` },
        }),
      ),
    )
    assert.deepEqual([...new Set(answers.map(({ status }) => status))].toSorted(), [201, 429])
    assert.equal(answers.filter(({ status }) => status === 201).length, 20)
  } finally {
    await second.stop()
  }
})

test('at the limit, a slot freed in one region is free for the very next create in the other', async () => {
  const tenant = await stage.addTenant(10)
  const made = await fill(tenant, 10)
  assert.equal((await stage.create('edge', tenant)).status, 429)
  for (let n = 0; n < 12; n++) {
    const oldest = made.shift() ?? ''
    await stage.destroy(oldest, tenant)
    const answer = await stage.create(oldest.startsWith('sbx_usw1') ? 'eu1' : 'usw1', tenant)
    assert.equal(answer.status, 201, `round ${n}: ${answer.text}`)
    made.push(idOf(answer))
    assert.equal((await stage.create(n % 2 === 0 ? 'usw1' : 'eu1', tenant)).status, 429)
  }
})

test('nine in ten creates ask nobody', async (t) => {
  const tenant = await stage.addTenant(50)
  const before = await needs()
  let creates = 0
  for (let round = 0; round < 6; round++) {
    const made = await fill(tenant, 24)
    creates += made.length
    await Promise.all(made.map((id) => stage.destroy(id, tenant)))
  }
  const asked = (await needs()) - before
  t.diagnostic(`${asked} of ${creates} creates waited for the authority`)
  assert.ok(asked <= creates / 10, `${asked} of ${creates}`)
})

test('while the authority is away creates go on inside the share in hand, and beyond it nothing is done', async () => {
  const tenant = await stage.addTenant(16)
  const [first] = await fill(tenant, 2)
  await stage.cutEdgeOff()
  try {
    const answers: Answer[] = []
    while (answers.at(-1)?.status !== 503) answers.push(await stage.create('usw1', tenant))
    const refused = answers.at(-1)
    assert.ok(refused)
    assert.equal(codeOf(refused), 'quota_authority_unavailable')
    assert.equal(refused.headers.get('x-not-executed'), '1')
    const [west] = await stage.shares(tenant)
    assert.ok(west && west.used === west.granted && west.granted < 16)
    await stage.destroy(first ?? '', tenant)
    assert.equal((await stage.create('usw1', tenant)).status, 201)
  } finally {
    await stage.bringEdgeBack()
  }
  assert.equal((await stage.create('usw1', tenant)).status, 201)
  const rest = await Promise.all(
    Array.from({ length: 30 }, (_, n) => stage.create(n % 2 === 0 ? 'usw1' : 'eu1', tenant)),
  )
  assert.ok(rest.every(({ status }) => status === 201 || status === 429))
  assert.equal(sumOf(await stage.shares(tenant), 'used'), 16)
})

test('a limit that is lowered under use lets nothing in before enough has ended, and is exact again then', async () => {
  const tenant = await stage.addTenant(20)
  const made = await fill(tenant, 12)
  await stage.setLimit(tenant, 6)
  for (const { running } of [stage.usw1, stage.eu1, stage.usw1, stage.eu1]) await reportDue(running.controller)
  for (const where of WHERE) {
    const answer = await stage.create(where, tenant)
    assert.deepEqual([answer.status, codeOf(answer)], [429, 'concurrency_limit'])
    assert.deepEqual(at(answer.json, 'error', 'details'), { limit: 6, running: 12, tier: tenant.tier })
  }
  await Promise.all(made.splice(0, 9).map((id) => stage.destroy(id, tenant)))
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) => stage.create(n % 2 === 0 ? 'usw1' : 'eu1', tenant)),
  )
  assert.equal(answers.filter(({ status }) => status === 201).length, 3)
  assert.equal(sumOf(await stage.shares(tenant), 'used'), 6)
})

test('a boot that failed frees its slot for the other region, too', async () => {
  const tenant = await stage.addTenant(1)
  for (let n = 0; n < 3; n++)
    stage.usw1.host.mishaps.push({ kind: 'fail', error: new AppError('boot_failed', 'The kernel panicked.') })
  assert.equal((await stage.create('usw1', tenant)).status, 503)
  stage.usw1.host.mishaps.splice(0)
  assert.equal((await stage.create('eu1', tenant)).status, 201)
  assert.equal((await stage.create('usw1', tenant)).status, 429)
})

// A region that comes back does not know what was promised of its share meanwhile.
test('a region that was down asks before it creates, and one crash in the middle of an exchange costs no slot for ever', async () => {
  const tenant = await stage.addTenant(8)
  await fill(tenant, 3)
  await stage.usw1.restart()
  const [west] = await stage.shares(tenant)
  assert.equal(west?.granted, 0)
  // The answer to this one never reaches the region, as when it is killed before it can write it down.
  const [row] = await stage.usw1.sql<{ epoch: string; used: number }>(
    'update quota_grant set epoch = epoch + 1 where tenant = $1 returning epoch, used',
    [tenant.tenant],
  )
  const lost = await fetch(new URL('/internal/v1/quota/exchange', stage.edge.url), {
    method: 'POST',
    headers: { authorization: 'Bearer internal-token-for-the-tests', 'content-type': 'application/json' },
    body: JSON.stringify({
      region: 'usw1',
      tenant: tenant.tenant,
      epoch: Number(row?.epoch),
      granted: 0,
      used: row?.used,
      reason: 'need',
      want: 8,
      limit: 8,
      limit_version: 1,
    }),
  })
  assert.equal(lost.status, 200)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => stage.create(n % 2 === 0 ? 'usw1' : 'eu1', tenant)),
  )
  assert.ok(answers.every(({ status }) => status === 201 || status === 429))
  await until('every slot to be used', async () => {
    await stage.create('eu1', tenant)
    return sumOf(await stage.shares(tenant), 'used') === 8
  })
  assert.equal((await stage.create('usw1', tenant)).status, 429)
})

// What one region keeps for nothing, the others would have to ask it for, one create at a time.
test('a share that is idle is given back after a while, and an active tenant keeps some of it in hand', async () => {
  const tenant = await stage.addTenant(40)
  for (let n = 0; n < 6; n++) await stage.create('usw1', tenant)
  const { controller } = stage.usw1.running
  const sweepLater = async (): Promise<number> => {
    await stage.usw1.sql(`update quota_grant set reported_at = '-infinity' where tenant = $1`, [tenant.tenant])
    await reportDue(controller)
    const [west] = await stage.shares(tenant)
    return (west?.granted ?? 0) - (west?.used ?? 0)
  }
  const atFirst = await sweepLater()
  assert.ok(atFirst >= 1 && atFirst <= 5, `${atFirst}`)
  await stage.usw1.sql(`update sandbox set created_at = created_at - interval '1 day' where tenant = $1`, [
    tenant.tenant,
  ])
  assert.equal(await sweepLater(), 0)
  await stage.usw1.running.stop()
  // So the other region can have all of the rest without asking for any of it.
  assert.equal(await fillAt('eu1', tenant), 34)
  await stage.usw1.restart()
})

// A person's word: nothing else could tell a dead region from one that is only cut off and goes on serving its own callers.
test('what a dead region holds is free again when an operator says so, and what still runs there counts when it is back', async () => {
  const tenant = await stage.addTenant(6)
  const inWest = await Promise.all([1, 2].map(() => stage.create('usw1', tenant)))
  await stage.usw1.running.stop()
  const fence = (body: object, region = stage.eu1) =>
    region.ask('/v1/admin/quota/fence', { method: 'POST', key: OPERATOR, body })
  const before = await fillAt('eu1', tenant)
  assert.ok(before < 6, `${before}`)
  assert.equal((await fence({ region: 'eu1' })).status, 422)
  assert.equal((await fence({ region: 'usw1' })).status, 200)
  assert.equal(before + (await fillAt('eu1', tenant)), 6)
  await stage.usw1.restart()
  const refused = await stage.create('usw1', tenant)
  assert.deepEqual(at(refused.json, 'error', 'details'), { limit: 6, running: 8, tier: tenant.tier })
  await Promise.all(inWest.map((answer) => stage.destroy(idOf(answer), tenant)))
  assert.equal((await stage.create('usw1', tenant)).status, 429)
  assert.equal(sumOf(await stage.shares(tenant), 'used'), 6)
})

async function fillAt(where: 'usw1' | 'eu1', tenant: Tenant): Promise<number> {
  let made = 0
  for (;;) {
    const answer = await stage.create(where, tenant)
    if (answer.status !== 201) {
      assert.equal(codeOf(answer), 'concurrency_limit', answer.text)
      return made
    }
    made += 1
  }
}
