/** A tenant with all the calls under way on a host that it may have is told so, and nobody else hears of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { LIMITS } from '../../../../shared/limits.ts'
import { type Ask, at, type TestRegion, textAt } from '../support/region.ts'
import { type WholeAgent, wholeAgent } from '../support/whole-agent.ts'

export function callSharePromises(regionOf: () => TestRegion): void {
  let agent: WholeAgent
  before(async () => {
    agent = await wholeAgent()
    regionOf().host.agent = agent.answer
  })
  after(async () => {
    regionOf().host.agent = null
    await agent.remove()
  })

  test('calls of one tenant into its sandboxes are bounded, those that ended give their place back, and others are not touched', async () => {
    const region = regionOf()
    const [crowded, other] = [await region.newKey(), await region.newKey()]
    const create = async (key: string) =>
      `/v1/sandboxes/${textAt((await region.ask('/v1/sandboxes', { method: 'POST', body: {}, key })).json, 'data', 'id')}`
    const [theirs, others] = [await create(crowded.key), await create(other.key)]
    const ends: (() => void)[] = []
    const last = () => new Promise<{ kind: 'ran' }>((resolve) => ends.push(() => resolve({ kind: 'ran' })))
    const { callShares } = region.running.controller
    const begin = () => callShares.within({ host: region.host.name, tenant: crowded.tenant }, last)
    const calls = Array.from({ length: LIMITS.hostCallsPerTenantMax - 1 }, begin)
    const kinds: [string, Ask][] = [
      ['/exec', { method: 'POST', body: { command: 'true' } }],
      ['/processes', {}],
      ['/files/workspace/none', { method: 'HEAD' }],
      ['/files/list?path=/workspace', {}],
      ['/files/workspace/note', { method: 'PUT', raw: 'words' }],
      ['/files/workspace/note', { method: 'HEAD' }],
      ['/files/workspace/note', {}],
      ['/env', {}],
      ['/code', { method: 'POST', body: { code: '1' } }],
    ]
    const askAll = async (sandbox: string, key: string): Promise<number[]> => {
      const seen: number[] = []
      for (const [rest, ask] of kinds) {
        const { pathname, search } = new URL(region.url + sandbox + rest)
        const response = await fetch(region.url + pathname + search, {
          method: ask.method ?? 'GET',
          headers: { authorization: `Bearer ${key}` },
          ...(ask.body === undefined && ask.raw === undefined ? {} : { body: ask.raw ?? JSON.stringify(ask.body) }),
        })
        await response.arrayBuffer()
        seen.push(response.status)
      }
      return seen
    }
    // With one place left, each of them would find it taken by one before it that had not given it back.
    assert.deepEqual(
      (await askAll(theirs, crowded.key)).filter((status) => status === 429),
      [],
    )
    calls.push(begin())
    assert.deepEqual(new Set(await askAll(theirs, crowded.key)), new Set([429]))
    const refused = await region.ask(`${theirs}/exec`, { ...kinds[0]?.[1], key: crowded.key })
    assert.deepEqual([at(refused.json, 'error', 'code'), at(refused.json, 'error', 'retry')], ['call_limit', 'later'])
    assert.ok(refused.headers.get('retry-after') !== null)
    assert.deepEqual(
      (await askAll(others, other.key)).filter((status) => status === 429),
      [],
    )
    for (const end of ends) end()
    await Promise.all(calls)
    assert.equal((await region.ask(`${theirs}/exec`, { ...kinds[0]?.[1], key: crowded.key })).status, 200)
  })
}
