/** The stage of every edge test: real workerd between a client and two fake regions, cleaned up whatever happens. */
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { type LocalEdge, startLocalEdge } from '../../../../infra/edge/local-edge.ts'
import { DEFAULT_TIERS, type KeyRecord, SCOPES } from '../../../../shared/accounts.ts'
import { newApiKey, newId } from '../../../../shared/ids.ts'
import type { Region, RegionRegistry } from '../../../../shared/regions.ts'
import { type FakeRegion, startFakeRegion } from './fake-region.ts'

export const PEPPER = 'a pepper that only tests know'
export const INTERNAL_TOKEN = 'an-internal-token-of-tests'
const PRESENT_MS = Date.now()

const signing = generateKeyPairSync('ed25519')
export const PUBLIC_KEY = signing.publicKey
export const SECRETS = {
  EDGE_SIGNING_KEY: JSON.stringify({ ...signing.privateKey.export({ format: 'jwk' }), kid: 'test-1' }),
  KEY_PEPPER: PEPPER,
  INTERNAL_TOKEN,
}

export const EUROPE = { continent: 'EU', latitude: '52.5', longitude: '13.4', country: 'DE' }
export const CALIFORNIA = { continent: 'NA', latitude: '37.8', longitude: '-122.4', country: 'US' }

export type Stage = {
  edge: LocalEdge
  usw1: FakeRegion
  eu1: FakeRegion
  registry: RegionRegistry
  apiKey: string
  /** Asks the edge, from California unless `cf` says otherwise. A path is relative to the edge. */
  ask: (path: string, init?: RequestInit & { cf?: object; key?: string | null; duplex?: 'half' }) => Promise<Response>
  /** The edge dies with all that it has in memory, and comes back; what it had stored is there if it has a `persistDir`. */
  restart: () => Promise<void>
  addKey: (changes?: Partial<KeyRecord>) => Promise<string>
}

export const aSandboxIn = (region: string): string => newId('sbx', region, PRESENT_MS, randomBytes(16))
export const hashOf = (key: string): string => createHmac('sha256', PEPPER).update(key).digest('hex')
export const freshKey = (): string => newApiKey('test', randomBytes(32))

export const aKeyRecord = (changes: Partial<KeyRecord> = {}): KeyRecord => ({
  id: 'key_1',
  tenant: 'ten_1',
  tier: 'scale',
  scopes: [...SCOPES],
  status: 'active',
  expires: null,
  keyVersion: 1,
  ...changes,
})

export type StageOptions = {
  /** Changes to what KV holds before the first request. */
  registry?: (registry: RegionRegistry) => RegionRegistry
  key?: Partial<KeyRecord>
  seed?: (edge: LocalEdge) => Promise<void>
  /** Where it stores what outlives it. */
  persistDir?: string
  /** Another Worker than the real one. */
  entry?: string
  /** Other settings than those of wrangler.toml. */
  vars?: Record<string, string>
}

export async function setStage(t: TestContext, options: StageOptions = {}): Promise<Stage> {
  const usw1 = await startFakeRegion('usw1')
  t.after(() => usw1.stop())
  const eu1 = await startFakeRegion('eu1')
  t.after(() => eu1.stop())
  const registry = (options.registry ?? ((same) => same))(registryOf(usw1, eu1))
  const apiKey = freshKey()
  const start = (): Promise<LocalEdge> =>
    startLocalEdge({
      host: '127.0.0.1',
      port: 0,
      secrets: SECRETS,
      registry,
      tiers: DEFAULT_TIERS,
      keys: { [hashOf(apiKey)]: aKeyRecord(options.key) },
      ...(options.persistDir === undefined ? {} : { persistDir: options.persistDir }),
      ...(options.entry === undefined ? {} : { entry: options.entry }),
      ...(options.vars === undefined ? {} : { vars: options.vars }),
    })
  let edge = await start()
  t.after(() => edge.stop())
  await options.seed?.(edge)
  return {
    get edge() {
      return edge
    },
    async restart() {
      await edge.stop()
      edge = await start()
    },
    usw1,
    eu1,
    registry,
    apiKey,
    ask: (path, { cf = CALIFORNIA, key = apiKey, ...init } = {}) => {
      const headers = new Headers(init.headers)
      headers.set('mf-cf-blob', JSON.stringify(cf))
      if (key !== null) headers.set('authorization', `Bearer ${key}`)
      return fetch(new URL(path, edge.url), { redirect: 'manual', ...init, headers })
    },
    addKey: async (changes) => {
      const key = freshKey()
      await edge.putKv('KEYS', `k:${hashOf(key)}`, aKeyRecord(changes))
      return key
    },
  }
}

export function registryOf(usw1: { url: string }, eu1: { url: string }): RegionRegistry {
  const shared = { status: 'active', weight: 1 } as const
  const west: Region = {
    ...shared,
    code: 'usw1',
    name: 'us-west',
    url: usw1.url,
    directUrl: usw1.url,
    lat: 37.4,
    lon: -122.1,
    continents: ['NA', 'SA', 'AS', 'OC'],
    failover: ['eu1'],
  }
  const europe: Region = {
    ...shared,
    code: 'eu1',
    name: 'eu',
    url: eu1.url,
    directUrl: eu1.url,
    lat: 50.1,
    lon: 8.7,
    continents: ['EU', 'AF'],
    failover: ['usw1'],
  }
  return { version: 1, default: 'usw1', regions: [west, europe] }
}

export type ErrorAnswer = {
  ok: false
  request_id: string
  error: { code: string; message: string; retry: string; next: string; details?: Record<string, unknown> }
}

export const errorOf = async (response: Response): Promise<ErrorAnswer['error']> =>
  ((await response.json()) as ErrorAnswer).error

export const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})
