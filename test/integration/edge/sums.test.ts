/** What the edge adds up over regions, and what it sends home whatever is said about regions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorOf, post, setStage } from './stage/edge-stage.ts'
import { answerJson, resetConnection } from './stage/fake-region.ts'

const SUMMARY = '/v1/usage/summary'

test('numbers of all regions are one answer, and a region that is missing is named', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond((_received, response) => answerJson(response, 200, { data: { vcpu_seconds: 10.5, currency: 'USD' } }))
  eu1.respond((_received, response) => answerJson(response, 200, { data: { vcpu_seconds: 2.25, currency: 'USD' } }))
  const whole = await ask(SUMMARY)
  assert.equal(whole.headers.get('x-region'), 'usw1,eu1')
  assert.deepEqual(await whole.json(), { data: { vcpu_seconds: 12.75, currency: 'USD' } })
  await eu1.refuse()
  const part = await ask(SUMMARY)
  assert.equal(part.headers.get('x-partial'), 'eu1')
  assert.deepEqual(await part.json(), { data: { vcpu_seconds: 10.5, currency: 'USD' }, partial: ['eu1'] })
  usw1.respond(resetConnection)
  assert.equal((await errorOf(await ask(SUMMARY))).code, 'region_unavailable')
})

// A client hands this one on to its caller as it is.
test('what comes without an envelope is summed without one', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  usw1.respond((_received, response) => answerJson(response, 200, { vcpu_seconds: 10.5, currency: 'USD' }))
  eu1.respond((_received, response) => answerJson(response, 200, { vcpu_seconds: 2.25, currency: 'USD' }))
  assert.deepEqual(await (await ask('/v1/credits/usage')).json(), { vcpu_seconds: 12.75, currency: 'USD' })
})

test('one named region answers for itself', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  eu1.respond((_received, response) => answerJson(response, 200, { data: { vcpu_seconds: 1 } }))
  assert.deepEqual(await (await ask(SUMMARY, { headers: { 'x-region': 'eu' } })).json(), { data: { vcpu_seconds: 1 } })
  assert.equal(usw1.received.length, 0)
})

// Accounts are written at home only; a pin or a wish for another region must not send them astray.
test('what is about accounts goes to the home region whatever is said, and is never sent twice', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t, { key: { pin: 'eu1' } })
  for (const headers of [{}, { 'x-region': 'eu' }] as Record<string, string>[])
    assert.equal((await ask('/v1/api-keys', post({ name: 'ci' }, headers))).headers.get('x-region'), 'usw1')
  assert.equal(eu1.received.length, 0)
  const before = usw1.received.length
  usw1.respond(resetConnection)
  const lost = await ask('/v1/api-keys', post({ name: 'ci' }))
  assert.deepEqual([lost.status, (await errorOf(lost)).code], [504, 'outcome_unknown'])
  assert.equal(usw1.received.length, before + 1)
})

// A stream of events lives as long as its reader; only the wait for its beginning is bounded.
test('a stream goes on after the deadline for its headers is over', async (t) => {
  const { ask, usw1 } = await setStage(t)
  usw1.respond(async (_received, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-origin': '1' })
    for (let n = 0; n < 4; n++) {
      response.write(`data: ${n}\n\n`)
      await new Promise((resolve) => setTimeout(resolve, 750))
    }
    response.end()
  })
  const answer = await ask('/v1/events', { headers: { 'x-timeout-ms': '2000', 'x-region': 'us-west' } })
  assert.equal(await answer.text(), 'data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\n')
})
