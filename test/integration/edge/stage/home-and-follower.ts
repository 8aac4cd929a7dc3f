/** The home region, a region that follows it and the real edge before both. Nothing is put into KV but the registry: keys and tiers come from home. */
import type { TestContext } from 'node:test'
import { type LocalEdge, startLocalEdge } from '../../../../infra/edge/local-edge.ts'
import { embedded } from '../../controller/support/databases.ts'
import { INTERNAL, PEPPER, startRegion, type TestRegion, until } from '../../controller/support/region.ts'
import { PUBLIC_KEY, registryOf, SECRETS } from './edge-stage.ts'

const EDGE_JWKS = JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] })

type Ask = { method?: string; body?: unknown; region?: string }

export type HomeStage = {
  edge: LocalEdge
  home: TestRegion
  eu1: TestRegion
  /** Asks the edge. */
  ask(
    path: string,
    key: string,
    init?: Ask,
  ): Promise<{ status: number; headers: Headers; json: Record<string, unknown>; text: string }>
}

/** `env` is laid over the settings of both regions. */
export async function setHomeStage(t: TestContext, env: Record<string, string> = {}): Promise<HomeStage> {
  const server = await embedded.open()
  t.after(() => server.remove())
  const edge = await startLocalEdge({
    host: '127.0.0.1',
    port: 0,
    secrets: { ...SECRETS, KEY_PEPPER: PEPPER, INTERNAL_TOKEN: INTERNAL },
  })
  t.after(() => edge.stop())
  const start = async (code: string, own: Record<string, string>): Promise<TestRegion> => {
    const region = await startRegion(await server.createDatabase(), {
      code,
      env: { ATOLL_EDGE_JWKS: EDGE_JWKS, ...env, ...own },
    })
    t.after(() => region.close())
    return region
  }
  const home = await start('usw1', { ATOLL_EDGE_URL: edge.url.origin })
  const eu1 = await start('eu1', { ATOLL_REGION_NAME: 'eu', ATOLL_HOME_URL: home.url })
  await edge.putKv('CONFIG', 'regions:v1', registryOf(home, eu1))
  await until('the edge to hear of the tiers', async () => (await edge.readKv('CONFIG', 'tiers:v1')) !== null)
  return {
    edge,
    home,
    eu1,
    async ask(path, key, { method = 'GET', body, region } = {}) {
      const response = await fetch(new URL(path, edge.url), {
        method,
        headers: { authorization: `Bearer ${key}`, ...(region === undefined ? {} : { 'x-region': region }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text), text }
    },
  }
}
