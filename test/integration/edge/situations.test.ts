/** Every situation that the page of errors describes, brought about on real workerd: what the page says is what people get. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ERROR_PAGE_PATH } from '../../../shared/error-page.ts'
import { adviceOf, ERRORS } from '../../../shared/errors.ts'
import { SITUATIONS, type Situation } from '../../../shared/situations.ts'
import { aSandboxIn, type ErrorAnswer, errorOf, freshKey, post, type Stage, setStage } from './stage/edge-stage.ts'
import { hang, resetConnection } from './stage/fake-region.ts'
import { startTwoRegions } from './stage/two-regions.ts'

const RUN = '/v1/sandboxes/run'
const WEST = { 'x-region': 'us-west' }
const anExec = post({ command: 'true' })
type Bring = (stage: Stage, t: TestContext) => Promise<Response>

const withStatus = (status: 'draining' | 'down', { registry }: Stage) => ({
  ...registry,
  regions: registry.regions.map((region) => ({ ...region, status })),
})

async function untilRefused(limit: number, ask: () => Promise<Response>, status: number): Promise<Response> {
  for (let asked = 0; asked < limit; asked += 1) {
    const answer = await ask()
    if (answer.status === status) return answer
    await answer.body?.cancel()
  }
  assert.fail(`No ${status} in ${limit} requests.`)
}

const BRING_ABOUT: Record<Exclude<keyof typeof SITUATIONS, 'tooManySandboxes'>, Bring> = {
  regionDown: async ({ ask, usw1 }) => {
    await usw1.refuse()
    return untilRefused(8, () => ask(RUN, post({}, WEST)), 503)
  },
  regionDraining: async (stage) => {
    await stage.edge.putKv('CONFIG', 'regions:v1', withStatus('draining', stage))
    return stage.ask(RUN, post({}, WEST))
  },
  sandboxRegionDown: async ({ ask, eu1 }) => {
    await eu1.refuse()
    return ask(`/v1/sandboxes/${aSandboxIn('eu1')}`)
  },
  noRegionTakesNew: async (stage) => {
    await stage.edge.putKv('CONFIG', 'regions:v1', withStatus('draining', stage))
    return stage.ask(RUN, post({}))
  },
  allRegionsDown: async ({ ask, usw1, eu1 }) => {
    await Promise.all([usw1.refuse(), eu1.refuse()])
    return untilRefused(12, () => ask('/v1/sandboxes'), 503)
  },
  unknownRegion: ({ ask }) => ask(RUN, post({}, { 'x-region': 'mars' })),
  regionMismatch: ({ ask }) => ask(`/v1/sandboxes/${aSandboxIn('eu1')}`, { headers: WEST }),
  keyElsewhere: async ({ ask }) => {
    const key = { 'idempotency-key': 'mine' }
    await (await ask('/v1/sandboxes', post({}, key))).body?.cancel()
    return ask('/v1/sandboxes', post({ region: 'eu' }, key))
  },
  lostAnswer: ({ ask, usw1 }) => {
    usw1.respond(resetConnection)
    return ask(`/v1/sandboxes/${aSandboxIn('usw1')}/exec`, anExec)
  },
  tooLate: ({ ask, usw1 }) => {
    usw1.respond(hang)
    return ask('/v1/sandboxes', post({}, { ...WEST, 'x-timeout-ms': '300' }))
  },
  tooManyRequests: async ({ ask, addKey }) => {
    const key = await addKey({ tier: 'free', tenant: 'ten_busy' })
    return untilRefused(2 * 600 + 2, () => ask('/v1/sandboxes/sbx_x', { key }), 429)
  },
  bodyTooLarge: async ({ ask, addKey }) =>
    ask(`/v1/sandboxes/${aSandboxIn('usw1')}/files`, {
      ...post('x'.repeat(4 * 1024 * 1024 + 1)),
      key: await addKey({ tier: 'free' }),
    }),
  noKey: ({ ask }) => ask('/v1/sandboxes', { key: null }),
  keyInUrl: ({ ask, apiKey }) => ask(`/v1/sandboxes?key=${apiKey}`),
  mistypedKey: ({ ask, apiKey }) => ask('/v1/sandboxes', { key: apiKey.slice(0, -1) }),
  unknownKey: ({ ask }) => ask('/v1/sandboxes', { key: freshKey() }),
  revokedKey: async ({ ask, addKey }) => ask('/v1/sandboxes', { key: await addKey({ status: 'revoked' }) }),
  expiredKey: async ({ ask, addKey }) => ask('/v1/sandboxes', { key: await addKey({ expires: 1 }) }),
  missingScope: async ({ ask, addKey }) => ask(RUN, { ...post({}), key: await addKey({ scopes: ['sandboxes:read'] }) }),
  mistypedId: ({ ask }) => ask('/v1/sandboxes/sbx_x/exec', anExec),
  unknownPath: ({ ask }) => ask('/v2/sandboxes'),
  loop: ({ ask }) => ask('/v1/sandboxes', { headers: { 'x-edge-hops': '1' } }),
  noConfiguration: async ({ ask, edge }) => {
    await edge.putKv('CONFIG', 'regions:v1', null)
    return ask('/v1/sandboxes')
  },
}

for (const [name, bring] of Object.entries(BRING_ABOUT)) {
  const { what, code, says, isKeyless }: Situation = SITUATIONS[name as keyof typeof SITUATIONS]
  test(`as the page says: ${what}`, async (t) => {
    const stage = await setStage(t)
    const answer = await bring(stage, t)
    const error = await errorOf(answer)
    assert.deepEqual([answer.status, error.code, error.message], [ERRORS[code].status, code, says])
    assert.equal(error.next, adviceOf(code, isKeyless !== true).next)
    assert.equal(answer.headers.has('retry-after'), [429, 503].includes(answer.status))
  })
}

// What runs is counted by real regions, so this one is brought about with two of them.
test(`as the page says: ${SITUATIONS.tooManySandboxes.what}`, async (t) => {
  const stage = await startTwoRegions()
  t.after(() => stage.close())
  const tenant = await stage.addTenant(1)
  assert.equal((await stage.create('usw1', tenant)).status, 201)
  const { code, says } = SITUATIONS.tooManySandboxes
  const { status, json, headers } = await stage.create('edge', tenant)
  assert.equal(status, ERRORS[code].status)
  const { error } = json as unknown as ErrorAnswer
  assert.equal(error.message, says.replace('20', '1').replace('free', tenant.tier))
  assert.deepEqual([error.code, error.next], [code, ERRORS[code].next])
  assert.deepEqual(
    ['retry-after', 'ratelimit', 'ratelimit-policy'].map((name) => headers.get(name)),
    ['1', '"concurrency";r=0', '"concurrency";q=1;qu="concurrent-requests"'],
  )
})

test('the page has every code with its row, every situation with its sentence, and needs neither key nor region', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  await Promise.all([usw1.refuse(), eu1.refuse()])
  const answer = await ask(ERROR_PAGE_PATH, { key: null })
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-security-policy') ?? '', /^default-src 'none'/)
  const page = await answer.text()
  const shown = (text: string): string =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
  for (const [code, { status, retry, next }] of Object.entries(ERRORS)) {
    const [row] = new RegExp(`<tr id="${code}">.*`).exec(page) ?? []
    assert.ok(row, code)
    for (const word of [code, String(status), retry, next]) assert.ok(row.includes(shown(word)), `${code}: ${word}`)
  }
  for (const { what, says } of Object.values(SITUATIONS)) {
    assert.ok(page.includes(shown(what)), what)
    assert.ok(page.includes(shown(says)), says)
  }
})
