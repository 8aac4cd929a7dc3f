/** The authority over a tenant's limit, as a Durable Object on real workerd. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type LocalEdge, startLocalEdge } from '../../../infra/edge/local-edge.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { type QuotaAnswer, type QuotaReport, quotaAnswer } from '../../../shared/contracts/quota.ts'
import { errorOf, INTERNAL_TOKEN, registryOf, SECRETS } from './stage/edge-stage.ts'
import { answerJson, type FakeRegion, startFakeRegion } from './stage/fake-region.ts'

type Stage = { edge: LocalEdge; usw1: FakeRegion; eu1: FakeRegion; persistDir: string; restart(): Promise<void> }

async function setStage(t: TestContext): Promise<Stage> {
  const persistDir = await mkdtemp(join(tmpdir(), 'atoll-quota-'))
  const [usw1, eu1] = [await startFakeRegion('usw1'), await startFakeRegion('eu1')]
  const options = { host: '127.0.0.1', port: 0, secrets: SECRETS, persistDir }
  const told = { registry: registryOf(usw1, eu1), tiers: DEFAULT_TIERS }
  const stage: Stage = {
    edge: await startLocalEdge({ ...options, ...told }),
    usw1,
    eu1,
    persistDir,
    async restart() {
      await stage.edge.stop()
      stage.edge = await startLocalEdge({ ...options, ...told })
    },
  }
  t.after(async () => {
    await stage.edge.stop()
    await Promise.all([usw1.stop(), eu1.stop()])
    await rm(persistDir, { recursive: true, force: true })
  })
  return stage
}

const aReport = (changes: Partial<QuotaReport>): QuotaReport => ({
  region: 'usw1',
  tenant: 'ten_1',
  epoch: 1,
  granted: 0,
  used: 0,
  reason: 'need',
  want: 1,
  limit: 16,
  limit_version: 1,
  ...changes,
})

const send = (stage: Stage, path: string, body: unknown, token = INTERNAL_TOKEN): Promise<Response> =>
  fetch(new URL(path, stage.edge.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

async function exchange(stage: Stage, changes: Partial<QuotaReport>): Promise<QuotaAnswer> {
  const response = await send(stage, '/internal/v1/quota/exchange', aReport(changes))
  assert.equal(response.status, 200)
  return quotaAnswer.parse(await response.json())
}

const grantedOf = (answer: QuotaAnswer): number => (answer.kind === 'share' ? answer.granted : -1)

test('nobody but our own machines asks the authority, and only in its words', async (t) => {
  const stage = await setStage(t)
  const refused = await send(stage, '/internal/v1/quota/exchange', aReport({}), 'some other token')
  assert.deepEqual([refused.status, (await errorOf(refused)).code], [401, 'invalid_token'])
  const open = await fetch(new URL('/internal/v1/quota/exchange', stage.edge.url), { method: 'POST', body: '{}' })
  assert.equal(open.status, 401)
  for (const changes of [{ epoch: 0 }, { granted: -1 }, { region: '../eu1' }, { tenant: '' }, { want: 1.5 }]) {
    const answer = await send(stage, '/internal/v1/quota/exchange', { ...aReport({}), ...changes })
    assert.equal(answer.status, 422, JSON.stringify(changes))
  }
})

// An answer that is applied twice, or a question that is served twice, would hand out one slot twice.
test('an epoch is served once, and a late one is told where to go on', async (t) => {
  const stage = await setStage(t)
  assert.equal(grantedOf(await exchange(stage, { epoch: 5 })), 2)
  for (const epoch of [5, 4, 1]) assert.deepEqual(await exchange(stage, { epoch }), { kind: 'late', epoch: 5 })
  assert.equal(grantedOf(await exchange(stage, { epoch: 6, granted: 2, used: 2 })), 4)
})

test('50 questions at once never get more than the limit between them', async (t) => {
  const stage = await setStage(t)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => {
      const region = n % 2 === 0 ? 'usw1' : 'eu1'
      stage.usw1.respond((_received, response) => answerJson(response, 500, {}))
      stage.eu1.respond((_received, response) => answerJson(response, 500, {}))
      return exchange(stage, { region, epoch: n + 1 }).then((answer) => ({ region, answer }))
    }),
  )
  // Of each region only the last answer can be applied.
  const last = new Map(
    answers
      .filter(({ answer }) => answer.kind === 'share')
      .toSorted((one, other) => one.answer.epoch - other.answer.epoch)
      .map(({ region, answer }) => [region, grantedOf(answer)]),
  )
  const sum = [...last.values()].reduce((total, granted) => total + granted, 0)
  assert.ok(sum > 0 && sum <= 16, `${sum} of 16`)
})

test('when nothing is left, whoever has most in hand is asked for it, and its slots go to the one in need', async (t) => {
  const stage = await setStage(t)
  assert.equal(grantedOf(await exchange(stage, { region: 'eu1', limit: 4 })), 4)
  stage.eu1.respond((_received, response) =>
    answerJson(response, 200, { epoch: 2, granted: 1, used: 1, lowered: true }),
  )
  assert.equal(grantedOf(await exchange(stage, { limit: 4 })), 3)
  assert.deepEqual(
    stage.eu1.received.map(({ url, body, headers }) => [url, JSON.parse(String(body)), headers.authorization]),
    [['/internal/v1/quota/give-back', { tenant: 'ten_1', need: 1 }, `Bearer ${INTERNAL_TOKEN}`]],
  )
  assert.deepEqual(await exchange(stage, { region: 'eu1', limit: 4, epoch: 2 }), { kind: 'late', epoch: 2 })
})

// The region's row says less than it was given: the answer is still on its way, and what it brings may not be needed there.
test('a share that is on its way is waited for before anybody is refused', async (t) => {
  const stage = await setStage(t)
  await exchange(stage, { region: 'eu1', limit: 4 })
  const rows = [
    { epoch: 1, granted: 0, used: 0, lowered: false },
    { epoch: 2, granted: 1, used: 0, lowered: true },
  ]
  stage.eu1.respond((_received, response) => answerJson(response, 200, rows.shift() ?? rows[0]))
  assert.equal(grantedOf(await exchange(stage, { limit: 4 })), 3)
})

test('a region that does not answer keeps what it holds, until an operator says that it is dead', async (t) => {
  const stage = await setStage(t)
  await exchange(stage, { region: 'eu1', limit: 4 })
  await exchange(stage, { region: 'eu1', limit: 4, epoch: 2, granted: 4, used: 3, reason: 'report' })
  await stage.eu1.refuse()
  const dry = await exchange(stage, { limit: 4 })
  assert.deepEqual(dry, { kind: 'share', epoch: 1, granted: 0, limit: 4, running: 3 })
  const fenced = await send(stage, '/internal/v1/quota/fence', { tenant: 'ten_1', region: 'eu1' })
  assert.equal(fenced.status, 204)
  assert.equal(grantedOf(await exchange(stage, { limit: 4, epoch: 2 })), 4)
  assert.equal((await exchange(stage, { region: 'eu1', limit: 4, epoch: 3, granted: 4 })).kind, 'late')
})

test('a limit that was lowered is asked back from each region in its turn, and nobody is given more meanwhile', async (t) => {
  const stage = await setStage(t)
  await exchange(stage, { want: 8 })
  await exchange(stage, { region: 'eu1', want: 8 })
  const lower = { limit: 4, limit_version: 2 }
  assert.equal(grantedOf(await exchange(stage, { ...lower, epoch: 2, granted: 8, reason: 'report' })), 2)
  assert.equal(grantedOf(await exchange(stage, { region: 'eu1', epoch: 2, granted: 4, want: 1 })), 1)
  assert.equal(grantedOf(await exchange(stage, { ...lower, epoch: 3, granted: 2, reason: 'report' })), 1)
  const settled = await exchange(stage, { region: 'eu1', epoch: 3, granted: 1, reason: 'report' })
  assert.deepEqual(settled, { kind: 'share', epoch: 3, granted: 1, limit: 4, running: 0 })
})

// Whoever restarts it in the middle must find the shares as they were promised, or they would be promised again.
test('the authority may be gone in the middle of a question, and remembers all that it had promised', async (t) => {
  const stage = await setStage(t)
  assert.equal(grantedOf(await exchange(stage, { region: 'eu1', limit: 4 })), 4)
  const reached = Promise.withResolvers<void>()
  stage.eu1.respond(() => reached.resolve())
  const broken = exchange(stage, { limit: 4 }).catch(() => 'broken off' as const)
  await reached.promise
  await stage.restart()
  assert.equal(await broken, 'broken off')
  stage.eu1.respond((_received, response) =>
    answerJson(response, 200, { epoch: 1, granted: 4, used: 4, lowered: false }),
  )
  assert.deepEqual(await exchange(stage, { limit: 4 }), { kind: 'late', epoch: 1 })
  assert.deepEqual(await exchange(stage, { limit: 4, epoch: 2 }), {
    kind: 'share',
    epoch: 2,
    granted: 0,
    limit: 4,
    running: 4,
  })
})
