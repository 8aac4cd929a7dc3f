/** The contract about ways out (shared/contracts/host-egress.ts), route by route: parse, call, translate. */
import type { Env, Hono } from 'hono'
import { egressLogQuery, egressSetting, HOST_EGRESS_ROUTES } from '../../shared/contracts/host-egress.ts'
import type { Host } from './host.ts'
import { setEgress } from './vm/set-egress.ts'

export function addEgressRoutes<E extends Env>(app: Hono<E>, host: Host): void {
  app.put(HOST_EGRESS_ROUTES.put.path, async (c) => {
    const setting = egressSetting.parse(await c.req.json())
    return c.json({ revision: await setEgress(host, c.req.param('id'), setting) })
  })
  app.get(HOST_EGRESS_ROUTES.log.path, (c) => c.json(host.egress.read(egressLogQuery.parse(c.req.query()).after)))
}
