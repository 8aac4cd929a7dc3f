/** Secrets replaced step by step as the runbook says, with requests at every step: nobody is refused on the way, and the old ones end. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { type LocalEdge, startLocalEdge } from '../../../infra/edge/local-edge.ts'
import { hashKey } from '../../../origin/controller/accounts/secrets.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { REGISTRY_PATH, regionCapacitySchema } from '../../../shared/regions.ts'
import { embedded } from '../controller/support/databases.ts'
import { PEPPER, startRegion, type TestRegion } from '../controller/support/region.ts'
import { aKeyRecord, aSandboxIn, registryOf, SECRETS } from './stage/edge-stage.ts'

const TOKEN = { old: 'the-internal-token-of-yesterday', new: 'the-internal-token-of-tomorrow' }

function makeKey(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const half = (key: typeof publicKey) => ({ ...key.export({ format: 'jwk' }), kid })
  return { secret: JSON.stringify(half(privateKey)), public: half(publicKey) }
}

/** A region and the edge before it, each started anew with other secrets whenever a step says so. */
async function setStage(t: TestContext) {
  const server = await embedded.open()
  t.after(() => server.remove())
  const database = await server.createDatabase()
  let region: TestRegion | undefined
  let edge: LocalEdge | undefined
  t.after(() => region?.close())
  t.after(() => edge?.stop())
  return {
    async startRegion(env: Record<string, string>): Promise<TestRegion> {
      await region?.close()
      region = await startRegion(database, { env })
      return region
    },
    async startEdge(of: TestRegion, secrets: Partial<typeof SECRETS>): Promise<LocalEdge> {
      await edge?.stop()
      edge = await startLocalEdge({
        host: '127.0.0.1',
        port: 0,
        secrets: { ...SECRETS, KEY_PEPPER: PEPPER, ...secrets },
        registry: registryOf(of, { url: 'http://127.0.0.1:9' }),
        tiers: DEFAULT_TIERS,
        keys: { [hashKey(PEPPER, of.key)]: aKeyRecord() },
      })
      return edge
    },
  }
}

/** 404 is the region's own word, so it believed the edge; 401 says that it did not. */
async function statusOf(edge: LocalEdge, { key }: TestRegion): Promise<number> {
  const path = `/v1/sandboxes/${aSandboxIn('usw1')}`
  return (await fetch(new URL(path, edge.url), { headers: { authorization: `Bearer ${key}` } })).status
}

test('the key of the edge is replaced through two that are believed at the same time', async (t) => {
  const stage = await setStage(t)
  const [old, next] = [makeKey('k-old'), makeKey('k-new')]
  const believing = (...keys: object[]) => ({ ATOLL_EDGE_JWKS: JSON.stringify({ keys }) })
  const steps: [what: string, region: object[], signs: string, status: number][] = [
    ['before', [old.public], old.secret, 404],
    ['the region has both', [old.public, next.public], old.secret, 404],
    ['the edge signs with the new one', [old.public, next.public], next.secret, 404],
    ['the old one is left out', [next.public], next.secret, 404],
    ['whoever still has the old one is nobody', [next.public], old.secret, 401],
    ['a region that was forgotten refuses', [old.public], next.secret, 401],
  ]
  for (const [what, keys, secret, status] of steps) {
    const region = await stage.startRegion(believing(...keys))
    const edge = await stage.startEdge(region, { EDGE_SIGNING_KEY: secret })
    assert.equal(await statusOf(edge, region), status, what)
  }
  // A key of another pair under a kid that is believed.
  const region = await stage.startRegion(believing(old.public))
  const edge = await stage.startEdge(region, { EDGE_SIGNING_KEY: makeKey('k-old').secret })
  assert.equal(await statusOf(edge, region), 401, 'a stolen name')
})

test('the internal token is replaced machine by machine, and edge and region hear each other at every step', async (t) => {
  const stage = await setStage(t)
  const [before, adding, turning, after] = [
    TOKEN.old,
    `${TOKEN.old},${TOKEN.new}`,
    `${TOKEN.new},${TOKEN.old}`,
    TOKEN.new,
  ]
  const steps: [edge: string, region: string, isHeard: boolean][] = [
    [before, before, true],
    [adding, before, true],
    [adding, adding, true],
    [turning, adding, true],
    [turning, turning, true],
    [after, turning, true],
    [after, after, true],
    [after, before, false],
  ]
  for (const [ofEdge, ofRegion, isHeard] of steps) {
    const region = await stage.startRegion({ ATOLL_INTERNAL_TOKEN: ofRegion })
    const edge = await stage.startEdge(region, { INTERNAL_TOKEN: ofEdge })
    await edge.runCron()
    const record = regionCapacitySchema.parse(await edge.readKv('CAPACITY', 'c:usw1'))
    assert.equal(record.accepting, isHeard, `the edge (${ofEdge}) at the region (${ofRegion})`)
    const asked = await fetch(new URL(REGISTRY_PATH, edge.url), {
      headers: { authorization: `Bearer ${ofRegion.split(',')[0]}` },
    })
    assert.equal(asked.ok, isHeard, `the region (${ofRegion}) at the edge (${ofEdge})`)
  }
})
