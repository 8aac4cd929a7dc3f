/** The real edge before a controller that is a process of its own, so that what each of them takes can be seen apart from the test. */
import { type LocalEdge, startLocalEdge } from '../../../../infra/edge/local-edge.ts'
import { hashKey } from '../../../../origin/controller/accounts/secrets.ts'
import { DEFAULT_TIERS, type KeyRecord, SCOPES } from '../../../../shared/accounts.ts'
import type { HostDouble } from '../../controller/support/host-double.ts'
import { type Account, INTERNAL, PEPPER, type TestRegion } from '../../controller/support/region.ts'
import { type SpawnedController, spawnController } from '../../controller/support/spawn-controller.ts'
import { PUBLIC_KEY, registryOf, SECRETS } from './edge-stage.ts'

export type SpawnedSite = {
  controller: SpawnedController
  edge: LocalEdge
  /** Known to the edge and to the region. */
  account: Account
  stop(): Promise<void>
}

/** What a region must be told to believe this edge. */
export const EDGE_ENV = {
  ATOLL_EDGE_JWKS: JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] }),
}

type Setting = { database: string; region: TestRegion; hosts: Pick<HostDouble, 'name' | 'socketPath'>[] }

/** `region` is another controller on the same database, by which accounts are made. */
export async function startSpawnedSite({ database, region, hosts }: Setting): Promise<SpawnedSite> {
  const controller = spawnController(database, hosts, undefined, EDGE_ENV)
  await controller.start()
  const account = await region.newKey()
  const { tenant, keyId: id, key, tier } = account
  const record: KeyRecord = {
    ...{ id, tenant, tier, scopes: [...SCOPES] },
    ...{ status: 'active', expires: null, keyVersion: 1 },
  }
  const edge = await startLocalEdge({
    host: '127.0.0.1',
    port: 0,
    secrets: { ...SECRETS, KEY_PEPPER: PEPPER, INTERNAL_TOKEN: INTERNAL },
    registry: registryOf({ url: controller.url ?? '' }, { url: 'http://127.0.0.1:9' }),
    tiers: DEFAULT_TIERS,
    keys: { [hashKey(PEPPER, key)]: record },
  }).catch(async (thrown: unknown) => {
    await controller.kill()
    throw thrown
  })
  return {
    controller,
    edge,
    account,
    async stop() {
      await edge.stop()
      await controller.kill()
    },
  }
}
