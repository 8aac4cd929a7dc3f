/** What an owner does with their hosts. A tenant's are its own machines; an operator's are all. Whatever is not theirs does not exist. */
import { and, desc, eq, getTableColumns, isNotNull, isNull, or, type SQL, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { host } from '../database/schema/hosts.ts'
import { giveUpSandboxes } from './give-up-sandboxes.ts'
import { giveUpSnapshots } from './give-up-snapshots.ts'

export type Owner = { kind: 'tenant'; tenant: string } | { kind: 'operator' }
export type HostRow = Awaited<ReturnType<typeof listHosts>>[number]

/** Snapshots that somebody may still go on from. Written out, because a column's table is left away where a statement has only one. */
const KEPT = sql.raw(
  "(select count(*) from snapshot where snapshot.host = host.id and snapshot.state in ('creating', 'ready'))",
) as SQL<string>

/** All but the secret, and how long it has been silent by the clock of the database. */
const { secret: _, ...columns } = getTableColumns(host)
const SEEN = {
  row: columns,
  snapshots: KEPT.mapWith(Number),
  silentMs: sql`extract(epoch from clock_timestamp() - ${host.lastSeen}) * 1000`.mapWith(Number),
}

const ofOwner = (owner: Owner): SQL | undefined =>
  and(isNull(host.removedAt), owner.kind === 'tenant' ? eq(host.tenant, owner.tenant) : undefined)

const named = (owner: Owner, id: string): SQL | undefined => and(ofOwner(owner), eq(host.id, id))

export const listHosts = (db: Db, owner: Owner) =>
  db.select(SEEN).from(host).where(ofOwner(owner)).orderBy(desc(host.id)).limit(LIMITS.hostsMax)

export async function findHost(db: Db, owner: Owner, id: string): Promise<HostRow> {
  const [found] = await db.select(SEEN).from(host).where(named(owner, id))
  return given(found)
}

export type Order = 'cordon' | 'uncordon' | 'drain'

const ORDERS: Record<Order, Record<string, unknown>> = {
  cordon: { cordoned: true },
  uncordon: { cordoned: false, drainStartedAt: null },
  drain: { cordoned: true, drainStartedAt: sql`coalesce(${host.drainStartedAt}, clock_timestamp())` },
}

/** Safe to repeat. It holds from this moment on, because what places a sandbox asks the same row. */
export async function orderHost(db: Db, owner: Owner, id: string, order: Order): Promise<HostRow> {
  const [changed] = await db.update(host).set(ORDERS[order]).where(named(owner, id)).returning(SEEN)
  return given(changed)
}

/**
 * Takes a host out of the region. Nothing is placed there once the row says so; its sandboxes, if it may have any, are given up after
 * that, and the reconciler goes on with what a crash in between leaves.
 */
export async function removeHost(controller: Controller, owner: Owner, id: string, isForced: boolean): Promise<void> {
  const { db } = controller.database
  const [removed] = await db
    .update(host)
    .set({ removedAt: sql`clock_timestamp()` })
    .where(
      and(
        named(owner, id),
        // One that a configuration names would be back at the next poll.
        or(isNotNull(host.url), sql`${host.lastSeen} < ${silentSince}`),
        isForced ? undefined : and(eq(host.reservedVms, 0), eq(KEPT, 0)),
      ),
    )
    .returning({ id: host.id })
  if (removed === undefined) throw whyNot(await findHost(db, owner, id))
  controller.log('info', 'host.removed', { host: id, forced: isForced })
  await giveUpSandboxes(controller, id, 'removed')
  await giveUpSnapshots(controller, id, 'The host of this snapshot was removed.')
}

const silentSince = sql`clock_timestamp() - make_interval(secs => ${LIMITS.hostLostAfterMs / 1_000})`

const whyNot = ({ row, snapshots, silentMs }: HostRow): AppError =>
  row.url === null && silentMs < LIMITS.hostLostAfterMs
    ? new AppError('host_configured', 'This host is named by the configuration of a controller.')
    : new AppError('host_not_empty', `This host holds ${row.reservedVms} sandboxes and ${snapshots} snapshots.`, {
        details: { sandboxes: row.reservedVms, snapshots },
      })

function given(found: HostRow | undefined): HostRow {
  if (found === undefined) throw new AppError('host_not_found', 'There is no such host.')
  return found
}
