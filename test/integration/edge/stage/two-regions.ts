/** Two whole controllers with databases of their own, and the real edge before them, between which a tenant's limit is shared out. */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalEdge, startLocalEdge } from '../../../../infra/edge/local-edge.ts'
import { hashKey } from '../../../../origin/controller/accounts/secrets.ts'
import { seedAccounts } from '../../../../origin/controller/accounts/seed.ts'
import { DEFAULT_TIERS, type KeyRecord, SCOPES } from '../../../../shared/accounts.ts'
import { newApiKey } from '../../../../shared/ids.ts'
import { freePort } from '../../../harness/free-ports.ts'
import { embedded } from '../../controller/support/databases.ts'
import { type Answer, INTERNAL, PEPPER, startRegion, type TestRegion } from '../../controller/support/region.ts'
import { CALIFORNIA, EUROPE, PUBLIC_KEY, registryOf, SECRETS } from './edge-stage.ts'

export type Tenant = { key: string; tenant: string; tier: string }

export type TwoRegions = {
  usw1: TestRegion
  eu1: TestRegion
  edge: LocalEdge
  /** A tenant that both regions and the edge know. */
  addTenant(concurrency: number): Promise<Tenant>
  /** As when an operator changes a tier, and both regions have heard of it. */
  setLimit(tenant: Tenant, concurrency: number): Promise<void>
  /** `edge` asks the edge, in turn from either side of the ocean. */
  create(where: 'usw1' | 'eu1' | 'edge', tenant: Tenant): Promise<Answer>
  destroy(id: string, tenant: Tenant): Promise<void>
  /** What each region has running and may have, in the order usw1, eu1. */
  shares(tenant: Tenant): Promise<{ used: number; granted: number }[]>
  cutEdgeOff(): Promise<void>
  bringEdgeBack(): Promise<void>
  close(): Promise<void>
}

const EDGE_SECRETS = { ...SECRETS, KEY_PEPPER: PEPPER, INTERNAL_TOKEN: INTERNAL }
const JWKS = JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] })

export async function startTwoRegions(): Promise<TwoRegions> {
  const persistDir = await mkdtemp(join(tmpdir(), 'atoll-shares-'))
  const server = await embedded.open()
  let edge = await startLocalEdge({
    host: '127.0.0.1',
    port: 0,
    persistDir,
    secrets: EDGE_SECRETS,
    tiers: DEFAULT_TIERS,
  })
  const port = Number(edge.url.port)
  const env = { ATOLL_EDGE_JWKS: JWKS, ATOLL_QUOTA_URL: edge.url.origin }
  const start = async (code: string): Promise<TestRegion> =>
    startRegion(await server.createDatabase(), { code, env: { ...env, ATOLL_LISTEN: `127.0.0.1:${await freePort()}` } })
  const [usw1, eu1] = [await start('usw1'), await start('eu1')]
  const regions = { usw1, eu1 }
  await edge.putKv('CONFIG', 'regions:v1', registryOf(usw1, eu1))
  let visits = 0

  return {
    usw1,
    eu1,
    get edge() {
      return edge
    },
    async addTenant(concurrency) {
      const key = newApiKey('test', randomBytes(32))
      const tenant = `ten_${randomUUID()}`
      const tier = `tier_${tenant}`
      const record: KeyRecord = {
        id: `key_${tenant}`,
        tenant,
        tier: 'scale',
        scopes: [...SCOPES],
        status: 'active',
        expires: null,
        keyVersion: 1,
      }
      const hash = hashKey(PEPPER, key)
      for (const region of [usw1, eu1]) {
        await region.sql(
          `insert into tier select $1, $2, requests_per_minute, max_size, max_timeout_sec, max_body_mib, 1 from tier where name = 'scale'`,
          [tier, concurrency],
        )
        await seedAccounts(region.running.controller.database.db, {
          tenants: [{ id: tenant, name: tenant, tier }],
          keys: [{ hash, ...record }],
        })
        // Both have the accounts of one home region.
        await region.sql('update tenant set version = 1 where id = $1', [tenant])
      }
      await edge.putKv('KEYS', `k:${hash}`, record)
      return { key, tenant, tier }
    },
    async setLimit({ tier }, concurrency) {
      for (const region of [usw1, eu1])
        await region.sql('update tier set concurrency = $2, version = version + 1 where name = $1', [tier, concurrency])
    },
    async create(where, { key }) {
      if (where !== 'edge') return regions[where].ask('/v1/sandboxes', { method: 'POST', key, body: {} })
      visits += 1
      const cf = JSON.stringify(visits % 2 === 0 ? CALIFORNIA : EUROPE)
      const response = await fetch(new URL('/v1/sandboxes', edge.url), {
        method: 'POST',
        body: '{}',
        headers: { authorization: `Bearer ${key}`, 'mf-cf-blob': cf, 'content-type': 'application/json' },
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: JSON.parse(text) }
    },
    async destroy(id, { key }) {
      const region = id.startsWith('sbx_usw1') ? usw1 : eu1
      const { status } = await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE', key })
      if (status !== 204) throw new Error(`${id} was not destroyed: ${status}.`)
    },
    shares: ({ tenant }) =>
      Promise.all(
        [usw1, eu1].map(async (region) => {
          const [row] = await region.sql<{ used: number; granted: number }>(
            'select used, granted from quota_grant where tenant = $1',
            [tenant],
          )
          return row ?? { used: 0, granted: 0 }
        }),
      ),
    cutEdgeOff: () => edge.stop(),
    async bringEdgeBack() {
      edge = await startLocalEdge({ host: '127.0.0.1', port, persistDir, secrets: EDGE_SECRETS })
    },
    async close() {
      await Promise.all([usw1.close(), eu1.close()])
      await edge.stop()
      await server.remove()
      await rm(persistDir, { recursive: true, force: true })
    },
  }
}
