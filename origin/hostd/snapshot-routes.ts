/** The contract about snapshots (shared/contracts/host-snapshots.ts), route by route: parse, call, translate. */
import type { Env, Hono } from 'hono'
import {
  forkBody,
  HOST_SNAPSHOT_ROUTES,
  mergeBody,
  restoreBody,
  takeSnapshotBody,
} from '../../shared/contracts/host-snapshots.ts'
import { forkVm } from './fork/fork-vm.ts'
import { mergeVms } from './fork/merge-vms.ts'
import { restoreVm } from './fork/restore-vm.ts'
import type { Host } from './host.ts'
import { snapshotsOf, takeSnapshot } from './vm/take-snapshot.ts'

export function addSnapshotRoutes<E extends Env>(app: Hono<E>, host: Host): void {
  app.post(HOST_SNAPSHOT_ROUTES.take.path, async (c) => {
    const { snapshot_id } = takeSnapshotBody.parse(await c.req.json())
    return c.json(await takeSnapshot(host, c.req.param('id'), snapshot_id))
  })
  app.post(HOST_SNAPSHOT_ROUTES.restore.path, async (c) => {
    const body = restoreBody.parse(await c.req.json())
    return c.json(await restoreVm(host, c.req.param('id'), body))
  })
  app.post(HOST_SNAPSHOT_ROUTES.fork.path, async (c) => {
    const body = forkBody.parse(await c.req.json())
    return c.json(await forkVm(host, c.req.param('id'), body))
  })
  app.post(HOST_SNAPSHOT_ROUTES.merge.path, async (c) => {
    const { winner } = mergeBody.parse(await c.req.json())
    return c.json(await mergeVms(host, c.req.param('id'), winner))
  })
  app.get(HOST_SNAPSHOT_ROUTES.list.path, (c) => c.json({ snapshots: snapshotsOf(host) }))
  app.delete(HOST_SNAPSHOT_ROUTES.remove.path, async (c) => {
    await host.snapshots.removeNamed(c.req.param('id'))
    return c.body(null, 204)
  })
}
