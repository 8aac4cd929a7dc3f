/** Steering on real workerd: what the edge has seen of a path outweighs the map, load is shared out, and tenants stay where they are warm. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { aSandboxIn, CALIFORNIA, EUROPE, post, type Stage, setStage } from './stage/edge-stage.ts'
import { answerJson, type FakeRegion } from './stage/fake-region.ts'

const RUN = '/v1/sandboxes/run'
const SAN_JOSE = { ...CALIFORNIA, colo: 'SJC' }

/** As if so far away: of the time that it takes, none was work. */
function answerAfter(region: FakeRegion, ms: number, { workedMs = 0, load = '0' } = {}): void {
  region.respond(async (_received, response) => {
    await sleep(ms)
    answerJson(response, 200, {}, { 'server-timing': `total;dur=${workedMs}`, 'x-region-load': load })
  })
}

async function visit({ ask }: Stage, code: string, cf: object, times: number): Promise<void> {
  for (let n = 0; n < times; n++) assert.equal((await ask(`/v1/sandboxes/${aSandboxIn(code)}`, { cf })).status, 200)
}

const chosen = async ({ ask }: Stage, cf: object, key?: string): Promise<string | null> =>
  (await ask(RUN, { ...post({}), cf, ...(key === undefined ? {} : { key }) })).headers.get('x-region')

test('a region to which the path has become slow is left for one that is farther on the map', async (t) => {
  const stage = await setStage(t)
  answerAfter(stage.usw1, 300)
  assert.equal(await chosen(stage, SAN_JOSE), 'usw1')
  await visit(stage, 'usw1', SAN_JOSE, 2)
  assert.equal(await chosen(stage, SAN_JOSE), 'eu1')
  // Of another place, and of no place, this isolate has seen nothing.
  assert.equal(await chosen(stage, { ...CALIFORNIA, colo: 'LAX' }), 'usw1')
  assert.equal(await chosen(stage, CALIFORNIA), 'usw1')
})

test('a region that works long is not taken for one that is far', async (t) => {
  const stage = await setStage(t)
  answerAfter(stage.usw1, 300, { workedMs: 298 })
  // A busy machine adds to what a way seems to take, so one undisturbed look will do. Each place is seen for itself.
  const isLeft = async (colo: string): Promise<boolean> => {
    await visit(stage, 'usw1', { ...SAN_JOSE, colo }, 3)
    return (await chosen(stage, { ...SAN_JOSE, colo })) !== 'usw1'
  }
  let looks = 1
  while (looks < 8 && (await isLeft(`A${looks}`))) looks += 1
  assert.ok(looks < 8, 'it was left at every place')
})

test('what regions say of their load in any answer moves the next create, within what distance allows', async (t) => {
  const stage = await setStage(t, {
    registry: (registry) => ({
      ...registry,
      // Two regions at one place.
      regions: registry.regions.map((region) => ({ ...region, lat: 50, lon: 8 })),
    }),
  })
  const keys = await Promise.all(
    Array.from({ length: 24 }, (_, n) => stage.addKey({ tenant: `ten_${n}`, id: `key_${n}` })),
  )
  const firstChoice = await Promise.all(keys.map((key) => chosen(stage, EUROPE, key)))
  assert.deepEqual(new Set(firstChoice), new Set(['usw1', 'eu1']))
  assert.deepEqual(await Promise.all(keys.map((key) => chosen(stage, EUROPE, key))), firstChoice)
  answerAfter(stage.usw1, 0, { load: '0.9' })
  await visit(stage, 'usw1', EUROPE, 1)
  assert.deepEqual(new Set(await Promise.all(keys.map((key) => chosen(stage, EUROPE, key)))), new Set(['eu1']))
})
