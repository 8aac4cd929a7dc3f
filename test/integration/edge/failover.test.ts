/** What happens when a region fails: the failover table of the edge, on real sockets that refuse, reset, hang and lie. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import { until } from '../../harness/until.ts'
import { aSandboxIn, errorOf, post, setStage } from './stage/edge-stage.ts'
import { answerEcho, answerJson, answerNotExecuted, hang, resetConnection } from './stage/fake-region.ts'

const CREATE = '/v1/sandboxes'
const RUN = '/v1/sandboxes/run'
const KEY = { 'idempotency-key': 'mine' }

test('what the first region did not execute is created in the next one, with identical bytes', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond(answerNotExecuted)
  const body = JSON.stringify({ name: 'ä'.repeat(5_000) })
  for (const path of [CREATE, RUN]) {
    const answer = await ask(path, post(body, KEY))
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-region'), 'eu1')
    assert.equal(answer.headers.get('x-failover'), 'from=usw1;reason=not_executed')
  }
  assert.deepEqual(
    eu1.received.map((one) => one.body.toString()),
    [body, body],
  )
  assert.deepEqual(
    usw1.received.map((one) => one.body.toString()),
    [body, body],
  )
})

test('one hop at most: when both refuse, the last refusal is the answer', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond(answerNotExecuted)
  eu1.respond(answerNotExecuted)
  const answer = await ask(RUN, post({}))
  assert.equal(answer.status, 503)
  assert.equal(answer.headers.get('retry-after'), '1')
  assert.equal(answer.headers.get('x-region'), 'eu1')
  assert.deepEqual([usw1.received.length, eu1.received.length], [1, 1])
})

test('a create-and-run whose connection is lost is never sent anywhere again', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond(resetConnection)
  const answer = await ask(RUN, post({ command: 'charge the card' }, KEY))
  assert.equal(answer.status, 504)
  const error = await errorOf(answer)
  assert.equal(error.code, 'outcome_unknown')
  assert.deepEqual(error.details, { region: 'usw1', idempotency_key: 'mine' })
  assert.deepEqual([usw1.received.length, eu1.received.length], [1, 0])
})

test('a create that was lost answers with a key that leads back to the region that knows what became of it', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  eu1.respond(resetConnection)
  const lost = await ask(CREATE, post({ region: 'eu' }))
  assert.equal(lost.status, 504)
  const key = String((await errorOf(lost)).details?.idempotency_key)
  assert.equal(eu1.received[0]?.headers['idempotency-key'], key)
  eu1.respond(answerEcho('eu1'))
  const again = await ask(CREATE, post({}, { 'idempotency-key': key }))
  assert.equal(again.headers.get('x-region'), 'eu1')
  assert.equal(eu1.received[1]?.headers['idempotency-key'], key)
  assert.equal(usw1.received.length, 0)
})

test('after one lost answer a dead region is asked first, so the next creates are served by the living one', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  await usw1.refuse()
  assert.equal((await ask(RUN, post({}))).status, 504)
  for (let sent = 0; sent < 8; sent += 1) {
    const answer = await ask(RUN, post({}))
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-region'), 'eu1')
    if (sent === 0) assert.equal(answer.headers.get('x-failover'), 'from=usw1;reason=unhealthy')
  }
  assert.equal(eu1.received.length, 8)
  const pinned = await ask(RUN, post({}, { 'x-region': 'us-west' }))
  assert.equal(pinned.status, 503)
  const error = await errorOf(pinned)
  assert.equal(error.code, 'region_unavailable')
  assert.match(error.message, /us-west \(usw1\)/)
  const listed = await ask(RUN, post({}, { 'x-region': 'us-west,eu' }))
  assert.equal(listed.headers.get('x-region'), 'eu1')
})

test('a read is tried once more in its own region, and only there', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  let calls = 0
  usw1.respond((received, response, request) => {
    calls += 1
    if (calls === 1) resetConnection(received, response, request)
    else answerEcho('usw1')(received, response, request)
  })
  const path = `/v1/sandboxes/${aSandboxIn('usw1')}`
  assert.equal((await ask(path)).status, 200)
  usw1.respond(resetConnection)
  const failed = await ask(path)
  assert.equal(failed.status, 503)
  assert.equal((await errorOf(failed)).code, 'region_unavailable')
  assert.deepEqual([usw1.received.length, eu1.received.length], [4, 0])
})

test('an exec whose connection is lost was sent once, and its outcome is unknown', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond(resetConnection)
  const answer = await ask(`/v1/sandboxes/${aSandboxIn('usw1')}/exec`, post({ command: 'true' }))
  assert.equal(answer.status, 504)
  const { code, retry } = await errorOf(answer)
  assert.deepEqual([code, retry], ['outcome_unknown', 'never'])
  assert.deepEqual([usw1.received.length, eu1.received.length], [1, 0])
})

// An exec is run as often as it is sent, whatever header comes with it; to send it again would run it twice.
test('who sent a key that counts for nothing is not told to send it again', async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond(resetConnection)
  const answer = await ask(`/v1/sandboxes/${aSandboxIn('usw1')}/exec`, post({ command: 'true' }, KEY))
  const { retry, details } = await errorOf(answer)
  assert.deepEqual([retry, details], ['never', { region: 'usw1' }])
})

test("a region's own answer is final, whatever it is", async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  for (const status of [307, 409, 422, 429, 500, 502, 503, 504]) {
    const marks: Record<string, string> = status === 429 ? { 'x-not-executed': '1', 'retry-after': '3' } : {}
    usw1.respond((_received, response) =>
      answerJson(response, status, { said: status }, { location: 'http://127.0.0.1:1/', ...marks }),
    )
    const answer = await ask(RUN, post({}))
    assert.equal(answer.status, status)
    assert.deepEqual(await answer.json(), { said: status })
  }
  assert.deepEqual([usw1.received.length, eu1.received.length], [8, 0])
})

test("a gateway's words are not the region's: 521 was not delivered, 502 may have been", async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond((_received, response) => {
    response.writeHead(521).end('web server is down')
  })
  const delivered = await ask(RUN, post({}))
  assert.equal(delivered.headers.get('x-region'), 'eu1')
  assert.equal(delivered.headers.get('x-failover'), 'from=usw1;reason=unreachable')
  usw1.respond((_received, response) => {
    response.writeHead(502).end('bad gateway')
  })
  const unknown = await ask(RUN, post({}))
  assert.equal(unknown.status, 504)
  assert.equal((await errorOf(unknown)).code, 'outcome_unknown')
  assert.equal(eu1.received.length, 1)
})

test('a large create is streamed, and not sent again', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  const large = { metadata: { filler: 'x'.repeat(5 * 1024 * 1024) } }
  assert.equal((await ask(CREATE, post(large))).status, 200)
  assert.equal(usw1.received[0]?.body.length, JSON.stringify(large).length)
  usw1.respond(answerNotExecuted)
  assert.equal((await ask(CREATE, post(large))).status, 503)
  assert.equal(eu1.received.length, 0)
})

test("a deadline that is used up is an unknown outcome, within the caller's own time", async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond(hang)
  const startedMs = Date.now()
  const answer = await ask(CREATE, post({}, { 'x-timeout-ms': '400' }))
  assert.equal(answer.status, 504)
  assert.ok(Date.now() - startedMs < LIMITS.createDeadlineMs / 2)
  assert.equal(eu1.received.length, 0)
  assert.equal((await ask(CREATE, post({}, { 'x-timeout-ms': 'soon' }))).status, 400)
})

// A region whose processes stand still takes connections and answers nothing.
test('a read of a region that hangs is given up within seconds, and reads the answer of one that stood still for a moment', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  const path = `/v1/sandboxes/${aSandboxIn('usw1')}`
  usw1.respond((received, response, request) => {
    usw1.respond(answerEcho('usw1'))
    return hang(received, response, request)
  })
  assert.equal((await ask(path)).status, 200)
  usw1.respond(hang)
  eu1.respond((_received, response) => answerJson(response, 200, { data: [] }))
  const lists = ask('/v1/sandboxes')
  const startedMs = Date.now()
  const given = await ask(path)
  assert.deepEqual([given.status, (await errorOf(given)).code], [503, 'region_unavailable'])
  assert.ok(Date.now() - startedMs < 2 * LIMITS.readDeadlineMs)
  assert.equal((await lists).headers.get('x-partial'), 'usw1')
})

test("a command may run longer than the caller's patience with the platform", async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond(async (received, response, request) => {
    await sleep(800)
    answerEcho('usw1')(received, response, request)
  })
  const answer = await ask(RUN, post({ command: 'sleep 1', timeout: 30 }, { 'x-timeout-ms': '300' }))
  assert.equal(answer.status, 200)
})

test('a caller who asks for too little time does not shut a region for others', async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond(hang)
  await Promise.all(Array.from({ length: 8 }, () => ask(CREATE, post({}, { 'x-timeout-ms': '50' }))))
  usw1.respond(answerEcho('usw1'))
  const answer = await ask(CREATE, post({}))
  assert.equal(answer.headers.get('x-region'), 'usw1')
  assert.equal(usw1.probes(), 0)
})

test('a shut region gets one question from a crowd, and its requests again once it lives', async (t) => {
  const { ask, usw1 } = await setStage(t)
  const path = `/v1/sandboxes/${aSandboxIn('usw1')}`
  await usw1.refuse()
  for (let sent = 0; sent < 3; sent += 1) assert.equal((await ask(path)).status, 503)
  await usw1.revive()
  const shut = await ask(path)
  assert.equal(shut.status, 503)
  assert.deepEqual([usw1.received.length, usw1.probes()], [0, 0])
  await sleep(LIMITS.breakerOpenMs + 200)
  // A question that a busy machine answers too late shuts it again, and another crowd comes.
  await until('the region to serve', async () => {
    const before = usw1.probes()
    const crowd = await Promise.all(Array.from({ length: 50 }, () => ask(path)))
    assert.ok(usw1.probes() - before <= 1, `${usw1.probes() - before} questions`)
    return crowd.some(({ status }) => status === 200)
  })
  assert.equal((await ask(path)).status, 200)
})

test('a region that nobody needs is asked in the background whether it is back', async (t) => {
  const { ask, usw1 } = await setStage(t)
  await usw1.refuse()
  for (let sent = 0; sent < 6; sent += 1) await ask(RUN, post({}))
  await usw1.revive()
  await sleep(LIMITS.breakerOpenMs + 200)
  const chosen = async () => (await ask(RUN, post({}))).headers.get('x-region')
  const sinceMs = Date.now()
  assert.equal(await chosen(), 'eu1')
  await until('the region to be used again', async () => (await chosen()) === 'usw1')
  // One, or more where answers came too late: then the next is asked after a pause.
  const most = 1 + (Date.now() - sinceMs) / LIMITS.breakerOpenMs
  assert.ok(usw1.probes() >= 1 && usw1.probes() <= most, `${usw1.probes()} questions`)
})

test('retries stop when they are not paid for by successes', async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond((_received, response) => {
    response.writeHead(530).end()
  })
  const path = `/v1/sandboxes/${aSandboxIn('usw1')}`
  await Promise.all(Array.from({ length: 30 }, () => ask(path)))
  assert.ok(usw1.received.length <= 30 + 5, `${usw1.received.length} requests reached the region`)
})

test('with every region down the answer says so', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  await Promise.all([usw1.refuse(), eu1.refuse()])
  const statuses = new Set<number>()
  for (let sent = 0; sent < 12; sent += 1) statuses.add((await ask(RUN, post({}))).status)
  assert.ok([...statuses].every((status) => status === 503 || status === 504))
  await Promise.all([usw1.revive(), eu1.revive()])
  assert.equal((await ask(RUN, post({}))).status, 200)
})
