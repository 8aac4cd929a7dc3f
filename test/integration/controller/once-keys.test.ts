/** Every route says truly whether it honours an Idempotency-Key: clients that read the document send one where it says so, and rely on it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ALL_ROUTES } from '../../../shared/contracts/all-routes.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { nameOf, requestsFor } from './isolation/ask-route.ts'
import { type Planted, plant } from './isolation/plant.ts'
import { embedded, type TestServer } from './support/databases.ts'
import { startRegion, type TestRegion } from './support/region.ts'
import { type WholeAgent, wholeAgent } from './support/whole-agent.ts'

/** A route that honours keys refuses this one, and does nothing; any other does not look at it. */
const IMPOSSIBLE = 'k'.repeat(LIMITS.idempotencyKeyCharsMax + 1)
const REFUSAL = /Idempotency-Key should be/

describe('an Idempotency-Key', { timeout: 600_000 }, () => {
  let server: TestServer
  let region: TestRegion
  let planted: Planted
  let agent: WholeAgent | undefined
  before(async () => {
    server = await embedded.open()
    region = await startRegion(await server.createDatabase())
    agent = await wholeAgent()
    region.host.agent = agent.answer
    planted = await plant(region)
  })
  after(async () => {
    await region?.close()
    await agent?.remove()
    await server?.remove()
  })

  const refusals = async (route: Route): Promise<boolean[]> => {
    const headers = { authorization: `Bearer ${planted.owner.key}`, 'idempotency-key': IMPOSSIBLE }
    const heard: boolean[] = []
    for (const { path, body } of requestsFor(route, planted.things)) {
      const answer = await fetch(region.url + path, {
        method: route.method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      heard.push(REFUSAL.test(await answer.text()))
    }
    return heard
  }

  // Those that honour one come first, because the others are carried out.
  test('is looked at by every route that says so, and by no other', async () => {
    const posts = ALL_ROUTES.filter(({ method, class: kind }) => method === 'POST' && kind !== 'open')
    for (const route of posts.toSorted((one, other) => Number(other.once ?? 0) - Number(one.once ?? 0)))
      for (const isRefused of await refusals(route)) assert.equal(isRefused, route.once === true, nameOf(route))
    assert.ok(ALL_ROUTES.every(({ method, once }) => once === undefined || method === 'POST'))
  })
})
