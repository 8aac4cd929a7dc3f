/** The real edge before one whole region: a controller in a process of its own, so that its memory can be watched, and a double of a host. */
import type { LocalEdge } from '../../../../infra/edge/local-edge.ts'
import { childrenNamed, growthOf } from '../../../harness/watch-memory.ts'
import { embedded } from '../../controller/support/databases.ts'
import { type Account, startRegion, type TestRegion, textAt } from '../../controller/support/region.ts'
import { EDGE_ENV, startSpawnedSite } from './spawned-site.ts'

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
  const region = await startRegion(database, { env: EDGE_ENV })
  const { controller, edge, account, stop } = await startSpawnedSite({ database, region, hosts: [region.host] })
  const { key } = account
  return {
    region,
    edge,
    controllerUrl: controller.url ?? '',
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
      await stop()
      await region.close()
      await server.remove()
    },
  }
}
