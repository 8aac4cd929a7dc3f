/** Requests a minute and sizes of bodies, at the region's own address. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, edgeToken, type TestRegion, textAt } from '../support/region.ts'

const MIB = 1024 * 1024

export function ratePromises(regionOf: () => TestRegion): void {
  const perMinute = async (rate: number) => {
    const account = await regionOf().newKey({ concurrency: 10 })
    await regionOf().sql('update tier set requests_per_minute = $2 where name = $1', [account.tier, rate])
    return account
  }
  const list = (key: string | null, headers: Record<string, string> = {}) =>
    regionOf().ask('/v1/sandboxes', { key, headers })

  // A region's own address is no way around the tier.
  test('a tenant is let through as often as its tier allows, and told what is left and when to come back', async () => {
    const { key, tier } = await perMinute(5)
    const answers = []
    for (let n = 0; n < 7; n++) answers.push(await list(key))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 200, 429, 429],
    )
    assert.match(String(answers[0]?.headers.get('ratelimit')), /^"requests";r=4;t=\d+$/)
    for (const { headers } of answers) assert.equal(headers.get('ratelimit-policy'), '"requests";q=5;w=60')
    const refused = answers[5]
    assert.equal(textAt(refused?.json, 'error', 'code'), 'rate_limit_exceeded')
    assert.deepEqual(at(refused?.json, 'error', 'details'), { tier, limit: 5, window_sec: 60 })
    const waitSec = Number(refused?.headers.get('retry-after'))
    assert.ok(waitSec >= 1 && waitSec <= 12, `${waitSec}`)
    assert.equal(refused?.headers.get('ratelimit'), `"requests";r=0;t=${waitSec}`)
    assert.equal(refused?.headers.get('x-not-executed'), '1')
  })

  test('what came through the edge is not counted again', async () => {
    const account = await perMinute(2)
    for (let n = 0; n < 6; n++) {
      const answer = await list(null, { 'x-edge-token': await edgeToken(account, 'GET', '/v1/sandboxes') })
      assert.deepEqual([answer.status, answer.headers.get('ratelimit')], [200, null], answer.text)
    }
    assert.equal((await list(account.key)).status, 200)
  })

  // The edge counts tenants by their tiers; the rate of one key would hold nobody who comes that way.
  test('what the edge says it cannot count is counted here, together with what comes directly', async () => {
    const tight = await perMinute(10)
    await regionOf().sql(`update api_key set limits = '{"requestsPerMinute": 2}' where id = $1`, [tight.keyId])
    const viaEdge = async (uncounted: { tenant?: number; key?: number }) =>
      list(null, { 'x-edge-token': await edgeToken(tight, 'GET', '/v1/sandboxes', { uncounted }) })
    const answers = [await viaEdge({ key: 2 }), await list(tight.key), await viaEdge({ key: 2 })]
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers.get('ratelimit-policy')]),
      [
        [200, '"requests";q=2;w=60'],
        [200, '"requests";q=2;w=60'],
        [429, '"requests";q=2;w=60'],
      ],
    )
    const ofTenant = await viaEdge({ tenant: 10 })
    assert.deepEqual([ofTenant.status, ofTenant.headers.get('ratelimit-policy')], [200, '"requests";q=10;w=60'])
  })

  test('a key with a tighter limit of its own is held to it, and leaves the rest to the other keys', async () => {
    const tight = await perMinute(10)
    await regionOf().sql(`update api_key set limits = '{"requestsPerMinute": 2}' where id = $1`, [tight.keyId])
    const other = await regionOf().newKey({ tenant: tight.tenant, tier: tight.tier })
    const answers = [await list(tight.key), await list(tight.key), await list(tight.key)]
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers.get('ratelimit-policy')]),
      [
        [200, '"requests";q=2;w=60'],
        [200, '"requests";q=2;w=60'],
        [429, '"requests";q=2;w=60'],
      ],
    )
    assert.match(String((await list(other.key)).headers.get('ratelimit')), /r=7/)
  })

  test('a body may be as long as the key allows, and whoever sends more hears why', async () => {
    const { key, keyId } = await regionOf().newKey()
    await regionOf().sql(`update api_key set limits = '{"maxBodyMib": 1}' where id = $1`, [keyId])
    const send = (bytes: number) =>
      regionOf().ask('/v1/sandboxes', { method: 'POST', key, body: { ignored: 'x'.repeat(bytes) } })
    assert.equal((await send(MIB - 1_000)).status, 201)
    const refused = await send(MIB)
    assert.deepEqual([refused.status, textAt(refused.json, 'error', 'code')], [413, 'body_too_large'])
  })
}
