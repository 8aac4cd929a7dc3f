/** The routes of hosts: the same verbs for tenants and for operators, and the one by which a machine joins. */
import { sql } from 'drizzle-orm'
import {
  ADMIN_MACHINE_ROUTES,
  JOIN_ROUTE,
  MACHINE_ROUTES,
  type MachineRecord,
} from '../../../shared/contracts/hosts.ts'
import { type KeyStanding, type Principal, requireOwner, requireStanding } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { hostState } from '../hosts/host-state.ts'
import { joinHost } from '../hosts/join-host.ts'
import { issueJoinToken } from '../hosts/join-tokens.ts'
import { findHost, type HostRow, listHosts, type Owner, orderHost, removeHost } from '../hosts/manage-hosts.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Verbs = typeof MACHINE_ROUTES
/** Whose hosts are asked for. Throws for whoever may have none, and `prove` for a key that was revoked a moment ago. */
type OwnerOf<Who> = { of(who: Who): Owner; prove(controller: Controller, who: Who): Promise<Owner> }

export function serveHosts(serve: Serve<Principal>, serveOperator: Serve<null>, serveAnyone: Serve<null>): void {
  serveAnyone(JOIN_ROUTE, join)
  serveVerbs(serve, MACHINE_ROUTES, {
    of: tenantOf,
    prove: async ({ database }, principal) => {
      requireStanding(await standingOf(database.db, principal))
      return tenantOf(principal)
    },
  })
  serveVerbs(serveOperator, ADMIN_MACHINE_ROUTES, { of: () => OPERATOR, prove: async () => OPERATOR })
}

const OPERATOR: Owner = { kind: 'operator' }

/** A machine is the whole tenant's, and not of one of its users. */
function tenantOf(principal: Principal): Owner {
  requireOwner(principal)
  return { kind: 'tenant', tenant: principal.tenant }
}

async function standingOf(db: Db, { key, tenant }: Principal): Promise<KeyStanding> {
  const asked = await db.execute<{ standing: KeyStanding }>(sql`select standing_of_key(${key}, ${tenant}) as standing`)
  return asked.rows[0]?.standing ?? 'key_unknown'
}

async function join({ controller, body }: Call<typeof JOIN_ROUTE, null>): Promise<Outcome> {
  const id = await joinHost(controller, body)
  controller.log('info', 'host.joined', { host: id })
  return json({ data: { id, region: controller.region.code } })
}

function serveVerbs<Who>(serve: Serve<Who>, routes: Verbs, owner: OwnerOf<Who>): void {
  serve(routes.tokens, async ({ controller, principal, body }) => {
    const asked = await owner.prove(controller, principal)
    const tenant = asked.kind === 'tenant' ? asked.tenant : null
    const { token, expiresAt } = await issueJoinToken(controller, tenant, body.expires_in_sec)
    // It is in no cache of anybody's.
    const made = json({ data: { token, expires_at: expiresAt.toISOString() } })
    return { ...made, headers: { 'cache-control': 'no-store' } }
  })
  serve(routes.list, async ({ controller, principal }) => {
    const rows = await listHosts(controller.database.db, owner.of(principal))
    return json({ data: rows.map((row) => recordOf(controller, row)) })
  })
  serve(routes.get, async ({ controller, principal, reference }) => {
    const found = await findHost(controller.database.db, owner.of(principal), reference)
    return json({ data: recordOf(controller, found) })
  })
  for (const order of ['cordon', 'uncordon', 'drain'] as const)
    serve(routes[order], async ({ controller, principal, reference }) => {
      const asked = await owner.prove(controller, principal)
      const changed = await orderHost(controller.database.db, asked, reference, order)
      return json({ data: recordOf(controller, changed) })
    })
  serve(routes.remove, async ({ controller, principal, reference, query }) => {
    await removeHost(controller, await owner.prove(controller, principal), reference, query.force === 'true')
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
