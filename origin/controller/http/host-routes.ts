/** The routes of hosts: the same verbs for tenants and for operators, and the one by which a machine joins. */
import {
  ADMIN_MACHINE_ROUTES,
  JOIN_ROUTE,
  MACHINE_ROUTES,
  type MachineRecord,
} from '../../../shared/contracts/hosts.ts'
import { type Principal, requireOwner } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { hostState } from '../hosts/host-state.ts'
import { joinHost } from '../hosts/join-host.ts'
import { issueJoinToken } from '../hosts/join-tokens.ts'
import { findHost, type HostRow, listHosts, type Owner, orderHost, removeHost } from '../hosts/manage-hosts.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Verbs = typeof MACHINE_ROUTES
/** Who it is that asks, which a change has to prove once more. */
type OwnerOf<Who> = (who: Who) => Owner

export function serveHosts(serve: Serve<Principal>, serveOperator: Serve<null>, serveAnyone: Serve<null>): void {
  serveAnyone(JOIN_ROUTE, join)
  serveVerbs(serve, MACHINE_ROUTES, (principal) => {
    requireOwner(principal)
    return { kind: 'tenant', tenant: principal.tenant }
  })
  serveVerbs(serveOperator, ADMIN_MACHINE_ROUTES, () => ({ kind: 'operator' }))
}

async function join({ controller, body }: Call<typeof JOIN_ROUTE, null>): Promise<Outcome> {
  const id = await joinHost(controller, body)
  controller.log('info', 'host.joined', { host: id })
  return json({ data: { id, region: controller.region.code } })
}

function serveVerbs<Who>(serve: Serve<Who>, routes: Verbs, ownerOf: OwnerOf<Who>): void {
  serve(routes.tokens, async ({ controller, principal, body }) => {
    const owner = ownerOf(principal)
    const tenant = owner.kind === 'tenant' ? owner.tenant : null
    const { token, expiresAt } = await issueJoinToken(controller, tenant, body.expires_in_sec)
    return json({ data: { token, expires_at: expiresAt.toISOString() } })
  })
  serve(routes.list, async ({ controller, principal }) => {
    const rows = await listHosts(controller.database.db, ownerOf(principal))
    return json({ data: rows.map((row) => recordOf(controller, row)) })
  })
  serve(routes.get, async ({ controller, principal, reference }) => {
    const found = await findHost(controller.database.db, ownerOf(principal), reference)
    return json({ data: recordOf(controller, found) })
  })
  for (const order of ['cordon', 'uncordon', 'drain'] as const)
    serve(routes[order], async ({ controller, principal, reference }) => {
      const changed = await orderHost(controller.database.db, ownerOf(principal), reference, order)
      return json({ data: recordOf(controller, changed) })
    })
  serve(routes.remove, async ({ controller, principal, reference, query }) => {
    await removeHost(controller, ownerOf(principal), reference, query.force === 'true')
    return { text: null }
  })
}

const recordOf = ({ region, hostRules }: Controller, { row, silentMs }: HostRow): MachineRecord => ({
  id: row.id,
  name: row.name ?? row.id,
  region: region.code,
  tenant_id: row.tenant,
  state: hostState(row, silentMs, hostRules.goneAfterMs),
  url: row.url,
  sandboxes: row.reservedVms,
  offered: {
    vcpus: row.offeredVcpus,
    memory_mb: row.offeredMemoryMib,
    disk_mb: row.offeredDiskMib,
    sandboxes: row.offeredVms,
  },
  reserved: {
    vcpus: row.reservedVcpus,
    memory_mb: row.reservedMemoryMib,
    disk_mb: row.reservedDiskMib,
    sandboxes: row.reservedVms,
  },
  last_seen_at: row.lastSeen.toISOString(),
  joined_at: row.joinedAt?.toISOString() ?? null,
})
