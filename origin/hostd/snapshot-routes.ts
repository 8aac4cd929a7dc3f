/** The contract about snapshots (shared/contracts/host-snapshots.ts), route by route: parse, call, translate. */
import type { Env, Hono } from 'hono'
import { HOST_SNAPSHOT_ROUTES, takeSnapshotBody } from '../../shared/contracts/host-snapshots.ts'
import type { Host } from './host.ts'
import { snapshotsOf, takeSnapshot } from './vm/take-snapshot.ts'

export function addSnapshotRoutes<E extends Env>(app: Hono<E>, host: Host): void {
  app.post(HOST_SNAPSHOT_ROUTES.take.path, async (c) => {
    const { snapshot_id } = takeSnapshotBody.parse(await c.req.json())
    return c.json(await takeSnapshot(host, c.req.param('id'), snapshot_id))
  })
  app.get(HOST_SNAPSHOT_ROUTES.list.path, (c) => c.json({ snapshots: snapshotsOf(host) }))
  app.delete(HOST_SNAPSHOT_ROUTES.remove.path, async (c) => {
    await host.snapshots.removeNamed(c.req.param('id'))
    return c.body(null, 204)
  })
}
