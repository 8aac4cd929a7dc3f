/** The region's own part in sharing out limits: its row, and what it does when there is nobody to share with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyShare,
  beginExchange,
  forfeitShares,
  listDue,
  lowerIdle,
} from '../../../../origin/controller/quota/grant-row.ts'
import { reportDue } from '../../../../origin/controller/quota/keep-shares.ts'
import { at, INTERNAL, type TestRegion, textAt } from '../support/region.ts'

export function sharePromises(regionOf: () => TestRegion): void {
  const createAs = (key: string) => regionOf().ask('/v1/sandboxes', { method: 'POST', key, body: {} })
  const rowOf = async (tenant: string) => {
    const [row] = await regionOf().sql<{ granted: number; used: number; epoch: string }>(
      'select granted, used, epoch from quota_grant where tenant = $1',
      [tenant],
    )
    assert.ok(row)
    return { ...row, epoch: Number(row.epoch) }
  }

  test('alone, a region takes the whole limit, and a larger one as soon as it is needed', async () => {
    const { key, tenant, tier } = await regionOf().newKey({ concurrency: 2 })
    const answers = await Promise.all(Array.from({ length: 5 }, () => createAs(key)))
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 201, 429, 429, 429])
    await regionOf().sql('update tier set concurrency = 3 where name = $1', [tier])
    assert.equal((await createAs(key)).status, 201)
    assert.equal((await createAs(key)).status, 429)
    assert.equal((await rowOf(tenant)).granted, 3)
  })

  test('alone, a limit that was lowered is kept to although more is running', async () => {
    const { key, tenant, tier } = await regionOf().newKey({ concurrency: 4 })
    const made = await Promise.all(Array.from({ length: 3 }, () => createAs(key)))
    await regionOf().sql('update tier set concurrency = 1 where name = $1', [tier])
    await reportDue(regionOf().running.controller)
    assert.equal((await rowOf(tenant)).granted, 1)
    for (const { json } of made) {
      const refused = await createAs(key)
      assert.equal(refused.status, 429, refused.text)
      assert.equal(at(refused.json, 'error', 'details', 'limit'), 1)
      await regionOf().ask(`/v1/sandboxes/${textAt(json, 'data', 'id')}`, { method: 'DELETE', key })
    }
    assert.equal((await createAs(key)).status, 201)
  })

  test('only what is not used is given back, under a new epoch, and only to our own machines', async () => {
    const { key, tenant } = await regionOf().newKey({ concurrency: 8 })
    for (let n = 0; n < 3; n++) await createAs(key)
    const ask = (token: string, need: number) =>
      regionOf().ask('/internal/v1/quota/give-back', { method: 'POST', key: token, body: { tenant, need } })
    assert.equal((await ask(key, 1)).status, 401)
    const before = await rowOf(tenant)
    const first = await ask(INTERNAL, 1)
    assert.deepEqual(first.json, { granted: 5, used: 3, epoch: before.epoch + 1, lowered: true })
    assert.deepEqual((await ask(INTERNAL, 9)).json, { granted: 3, used: 3, epoch: before.epoch + 2, lowered: true })
    assert.deepEqual((await ask(INTERNAL, 9)).json, { granted: 3, used: 3, epoch: before.epoch + 2, lowered: false })
    assert.equal((await ask(INTERNAL, 0)).status, 422)
    const stranger = await regionOf().ask('/internal/v1/quota/give-back', {
      method: 'POST',
      key: INTERNAL,
      body: { tenant: 'nobody', need: 1 },
    })
    assert.deepEqual(stranger.json, { granted: 0, used: 0, epoch: 0, lowered: false })
  })

  // Both lock the same row; whoever comes second sees what the first has left.
  test('giving back never takes a slot from a create that races it', async () => {
    const { key, tenant } = await regionOf().newKey({ concurrency: 12 })
    await createAs(key)
    const { db } = regionOf().running.controller.database
    const work = Array.from({ length: 30 }, (_, n) => (n % 3 === 0 ? lowerIdle(db, tenant, 2) : createAs(key)))
    await Promise.all(work)
    const { granted, used } = await rowOf(tenant)
    assert.ok(used <= granted && granted <= 12, `${used} of ${granted}`)
  })

  // The authority has counted the later question already; what it said to the earlier one may be another region's by now.
  test('an answer that has been overtaken by another question is not written down', async () => {
    const { tenant } = await regionOf().newKey({ concurrency: 8 })
    const { db } = regionOf().running.controller.database
    const beginning = { floor: 0, keep: null, turnMs: 10_000 }
    const first = await beginExchange(db, tenant, { ...beginning, turn: null })
    assert.ok(first !== undefined && first !== 'busy')
    const second = await beginExchange(db, tenant, { ...beginning, turn: first.turn })
    assert.ok(second !== undefined && second !== 'busy' && second.epoch > first.epoch)
    const share = { granted: 5, limitVersion: first.limit_version }
    assert.equal(await applyShare(db, tenant, { ...share, epoch: first.epoch }), undefined)
    assert.equal((await rowOf(tenant)).granted, 0)
    assert.equal((await applyShare(db, tenant, { ...share, epoch: second.epoch }))?.granted, 5)
  })

  // What a controller was asking for when it was killed must not stand in the way of the others.
  test('a turn that nobody ends is over by itself, and until then slots in hand are taken as ever', async () => {
    const { key, tenant } = await regionOf().newKey({ concurrency: 2 })
    await createAs(key)
    await regionOf().sql(
      `update quota_grant set asking_until = clock_timestamp() + interval '2 seconds' where tenant = $1`,
      [tenant],
    )
    assert.equal((await createAs(key)).status, 201)
    // A turn that never ended would be heard of as 503.
    assert.equal((await createAs(key)).status, 429)
  })

  test('what is given up is given up whole, and the epochs go on by the clock', async () => {
    const { key, tenant } = await regionOf().newKey({ concurrency: 8 })
    await createAs(key)
    const before = Date.now()
    await forfeitShares(regionOf().running.controller.database.db)
    const { granted, used, epoch } = await rowOf(tenant)
    assert.deepEqual([granted, used], [0, 1])
    assert.ok(epoch >= before - 60_000, `${epoch}`)
    const within = { reportMs: 60_000, idleMs: 60_000, rowsMax: 1_000 }
    const due = await listDue(regionOf().running.controller.database.db, within)
    assert.deepEqual(
      due.filter((one) => one.tenant === tenant),
      [{ tenant, limit: 8, is_active: true }],
    )
    assert.equal((await createAs(key)).status, 201)
  })
}
