/** What follows a failure, as tables and small machines; time is an argument. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Breaker } from '../../../edge/failover/breaker.ts'
import { nextStep, type Situation } from '../../../edge/failover/next-step.ts'
import { type Attempt, isFailure, outcomeOf } from '../../../edge/failover/outcome.ts'
import { healthOf } from '../../../edge/failover/region-health.ts'
import { RetryBudget } from '../../../edge/failover/retry-budget.ts'
import { learnFrom } from '../../../edge/forward/learn-from.ts'
import { classifyRequest } from '../../../edge/requests/classify-request.ts'
import { newId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { aRegion } from './regions-of-tests.ts'

const answer = (status: number, isFromOrigin: boolean, saysNotExecuted = false): Attempt => ({
  kind: 'answer',
  status,
  isFromOrigin,
  saysNotExecuted,
})

test('only a server error that says so, or that Cloudflare never delivered, counts as not executed', () => {
  assert.equal(outcomeOf(answer(503, true, true)), 'not-executed')
  assert.equal(outcomeOf({ kind: 'kept-back' }), 'not-executed')
  for (const status of [521, 523, 525, 526, 530]) assert.equal(outcomeOf(answer(status, false)), 'not-executed')
  for (const status of [500, 502, 503, 504, 520, 522, 524]) assert.equal(outcomeOf(answer(status, false)), 'ambiguous')
  assert.equal(outcomeOf({ kind: 'lost' }), 'ambiguous')
  assert.equal(outcomeOf({ kind: 'timeout' }), 'ambiguous')
  for (const status of [200, 201, 307, 404, 409, 422, 429, 500, 502, 503]) {
    assert.equal(outcomeOf(answer(status, true)), 'final')
  }
  assert.equal(outcomeOf(answer(429, true, true)), 'final')
})

test("a region's own words never speak against its health", () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), fc.boolean(), (status, saysNotExecuted) => {
      assert.equal(isFailure(answer(status, true, saysNotExecuted)), false)
    }),
  )
  assert.equal(isFailure(answer(502, false)), true)
  assert.equal(isFailure({ kind: 'lost' }), true)
  assert.equal(isFailure({ kind: 'kept-back' }), false)
})

const anySituation: fc.Arbitrary<Situation> = fc.record({
  class: fc.constantFrom('create', 'create-run', 'read', 'change', 'list', 'sum', 'find', 'home'),
  outcome: fc.constantFrom('not-executed', 'ambiguous', 'final'),
  maySendAgain: fc.boolean(),
  hasNextRegion: fc.boolean(),
  isPinned: fc.boolean(),
  isRead: fc.boolean(),
})

test('what may have run is never sent again, unless it only reads or can be given up where it was', () => {
  fc.assert(
    fc.property(anySituation, (situation) => {
      const step = nextStep(situation)
      const isRead =
        ['read', 'list', 'sum', 'find'].includes(situation.class) || (situation.class === 'home' && situation.isRead)
      const sendsAgain = step === 'same-region' || step === 'next-region'
      const mayBeGivenUp = situation.class === 'create' && !situation.isPinned
      if (situation.outcome === 'ambiguous' && !isRead && !mayBeGivenUp) assert.equal(step, 'unknown')
      if (situation.outcome === 'ambiguous' && situation.class === 'create') assert.notEqual(step, 'same-region')
      if (situation.outcome === 'final') assert.equal(step, 'answer')
      if (sendsAgain) assert.ok(situation.maySendAgain)
      if (step === 'next-region') assert.ok(situation.hasNextRegion && situation.class.startsWith('create'))
      if (step === 'unknown') assert.ok(!isRead && situation.outcome === 'ambiguous')
    }),
  )
})

test('a change that was not executed is a 503, and is left to the caller to repeat', () => {
  assert.equal(
    nextStep({
      class: 'change',
      outcome: 'not-executed',
      maySendAgain: true,
      hasNextRegion: true,
      isPinned: false,
      isRead: false,
    }),
    'unavailable',
  )
})

test('a breaker opens at five failures in a row, asks once after 5 s, and waits twice as long after each failed question', () => {
  const breaker = new Breaker()
  let nowMs = 1_000
  for (let failed = 0; failed < 4; failed += 1) breaker.fail(nowMs)
  assert.equal(breaker.state(nowMs), 'suspect')
  breaker.fail(nowMs)
  for (const openMs of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    assert.equal(breaker.state(nowMs + openMs - 1), 'open')
    nowMs += openMs
    assert.equal(breaker.state(nowMs), 'half-open')
    assert.deepEqual([breaker.takeProbe(nowMs), breaker.takeProbe(nowMs)], [true, false])
    breaker.fail(nowMs)
  }
  nowMs += LIMITS.breakerOpenMsMax
  assert.equal(breaker.takeProbe(nowMs), true)
  breaker.succeed(nowMs)
  assert.equal(breaker.state(nowMs), 'closed')
})

test('a breaker opens when half of the recent requests fail, however they alternate, and forgets what is old', () => {
  const breaker = new Breaker()
  const old = new Breaker()
  for (let index = 0; index < LIMITS.breakerOutcomesMin; index += 1) {
    if (index % 2 === 0) breaker.succeed(1_000)
    else breaker.fail(1_000)
    if (index % 2 === 0) old.succeed(index * LIMITS.breakerWindowMs)
    else old.fail(index * LIMITS.breakerWindowMs)
  }
  assert.equal(breaker.state(1_000), 'open')
  assert.equal(old.state(LIMITS.breakerOutcomesMin * LIMITS.breakerWindowMs), 'suspect')
})

test('a question that is never answered is asked again later, and late failures do not lengthen the pause', () => {
  const breaker = new Breaker()
  for (let failed = 0; failed < 9; failed += 1) breaker.fail(0)
  assert.equal(breaker.state(LIMITS.breakerOpenMs), 'half-open')
  assert.equal(breaker.takeProbe(LIMITS.breakerOpenMs), true)
  assert.equal(breaker.takeProbe(LIMITS.breakerOpenMs + LIMITS.regionProbeMs), false)
  assert.equal(breaker.takeProbe(LIMITS.breakerOpenMs + 2 * LIMITS.regionProbeMs), true)
})

test('whatever happens, a breaker that is left alone lets somebody ask within a minute', () => {
  const anyEvent = fc.record({ isFailure: fc.boolean(), afterMs: fc.integer({ min: 0, max: 30_000 }) })
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
      const breaker = new Breaker()
      let nowMs = 0
      for (const { isFailure: failed, afterMs } of events) {
        nowMs += afterMs
        if (failed) breaker.fail(nowMs)
        else breaker.succeed(nowMs)
      }
      assert.notEqual(breaker.state(nowMs + LIMITS.breakerOpenMsMax), 'open')
    }),
  )
})

test('retries cost more than ten successes each, and half of the purse is never spent', () => {
  const budget = new RetryBudget()
  let spent = 0
  while (budget.canSpend()) {
    budget.spend()
    spent += 1
  }
  assert.equal(spent, 5)
  for (let earned = 0; earned < 9; earned += 1) budget.earn()
  assert.equal(budget.canSpend(), false)
  budget.earn()
  budget.earn()
  assert.equal(budget.canSpend(), true)
})

// Whoever has a sandbox that never answers could shut its region for all other tenants.
test('a sandbox that takes its time does not shut its region, and a region that hangs is shut', () => {
  const sandbox = newId('sbx', 'eu1', 1, new Uint8Array(16))
  const stateAfter = (path: string, method: string, attempt: Attempt): string => {
    const region = aRegion('eu1', { url: `https://${crypto.randomUUID()}.example` })
    const call = classifyRequest(method, new URL(`https://api.example/v1/sandboxes${path}`))
    assert.ok(call !== null)
    const sent = { attempt, response: null, regionMs: 1, idempotencyKey: null }
    for (let n = 0; n < LIMITS.breakerFailuresInARow; n++)
      learnFrom({ call, body: { kind: 'none' }, askedMs: null, geography: undefined }, region, sent)
    return healthOf(region).breaker.state(Date.now())
  }
  for (const [path, method] of [
    [`/${sandbox}/files/search?pattern=x`, 'GET'],
    [`/${sandbox}/processes`, 'GET'],
    [`/${sandbox}/code`, 'POST'],
  ] as const) {
    assert.equal(stateAfter(path, method, { kind: 'timeout' }), 'closed', path)
    assert.equal(stateAfter(path, method, { kind: 'lost' }), 'open', path)
  }
  assert.equal(stateAfter(`/${sandbox}`, 'GET', { kind: 'timeout' }), 'open')
  assert.equal(stateAfter('', 'POST', { kind: 'timeout' }), 'open')
})
