/** The real edge before one whole region: a controller in a process of its own, so that its memory can be watched, and a double of a host. */
import { type LocalEdge, startLocalEdge } from '../../../../infra/edge/local-edge.ts'
import { hashKey } from '../../../../origin/controller/accounts/secrets.ts'
import { DEFAULT_TIERS, type KeyRecord, SCOPES } from '../../../../shared/accounts.ts'
import { childrenNamed, growthOf } from '../../../harness/watch-memory.ts'
import { embedded } from '../../controller/support/databases.ts'
import {
  type Account,
  INTERNAL,
  PEPPER,
  startRegion,
  type TestRegion,
  textAt,
} from '../../controller/support/region.ts'
import { spawnController } from '../../controller/support/spawn-controller.ts'
import { PUBLIC_KEY, registryOf, SECRETS } from './edge-stage.ts'

export type OneRegion = {
  region: TestRegion
  edge: LocalEdge
  /** Of the controller that the edge speaks to. */
  controllerUrl: string
  account: Account
  create(): Promise<string>
  /** How much memory the edge and the controller had at most beyond what they had before. */
  grown(work: () => Promise<unknown>): Promise<{ workerd: number; controller: number }>
  close(): Promise<void>
}

export async function startOneRegion(): Promise<OneRegion> {
  const server = await embedded.open()
  const database = await server.createDatabase()
  const env = {
    ATOLL_EDGE_JWKS: JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] }),
  }
  const region = await startRegion(database, { env })
  const controller = spawnController(database, [region.host], undefined, env)
  await controller.start()
  const controllerUrl = controller.url ?? ''
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
    registry: registryOf({ url: controllerUrl }, { url: 'http://127.0.0.1:9' }),
    tiers: DEFAULT_TIERS,
    keys: { [hashKey(PEPPER, key)]: record },
  })
  return {
    region,
    edge,
    controllerUrl,
    account,
    create: async () =>
      textAt((await region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })).json, 'data', 'id'),
    async grown(work) {
      const [workerd] = childrenNamed('workerd')
      if (workerd === undefined || controller.pid === undefined) throw new Error('There is no edge, or no controller.')
      let ofEdge = 0
      const ofController = await growthOf(controller.pid, async () => {
        ofEdge = await growthOf(workerd, work)
      })
      return { workerd: ofEdge, controller: ofController }
    },
    async close() {
      await edge.stop()
      await controller.kill()
      await region.close()
      await server.remove()
    },
  }
}
