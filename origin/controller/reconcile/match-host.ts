/**
 * Compares what one host has with the rows of the sandboxes that hold room there, and mends the difference.
 *
 * The order of looking is what makes it safe beside requests in flight: first the database's clock, then the host, then the rows.
 * A row that changed after that clock is left for the next look. A machine without a row is really without one, because a row is
 * always written before its machine is asked for.
 */
import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
import type { VmInventory, VmRecord } from '../../../shared/contracts/host.ts'
import type { SandboxState } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import type { Host } from '../hosts/client.ts'
import { describeError } from '../log.ts'
import { decideMend, type Finding } from './decide-mend.ts'
import { mend } from './mend.ts'

const UNFINISHED = ['creating', 'provisioning'] as const satisfies SandboxState[]

type VmLoss = VmInventory['lost'][number]
type Seen = { machines: ReadonlyMap<string, VmRecord>; losses: ReadonlyMap<string, VmLoss> }
/** Read every second of every sandbox, so no more of it than a mend needs. */
const HOLDING_COLUMNS = {
  id: sandbox.id,
  state: sandbox.state,
  revision: sandbox.revision,
  host: sandbox.host,
  instance: sandbox.instance,
  persistent: sandbox.persistent,
  changedAt: sandbox.changedAt,
}
type Holding = {
  row: Pick<SandboxRow, keyof typeof HOLDING_COLUMNS>
  isOwnerAlive: boolean
  ageMs: number
  isDue: boolean
  isOverdue: boolean
}

export async function matchHost(controller: Controller, host: Host): Promise<void> {
  const before = await databaseTime(controller)
  const answer = await host.inventory()
  if (answer.kind !== 'done') return
  const holdings = await readHoldings(controller, host.name)
  const known = new Set(holdings.map(({ row }) => row.id))
  const seen: Seen = {
    machines: new Map(answer.value.vms.map((machine) => [machine.id, machine])),
    losses: new Map(answer.value.lost.map((loss) => [loss.id, loss])),
  }

  for (const holding of holdings) {
    // A host that hangs costs every mend its whole deadline, and the end of this process waits for none of them.
    if (controller.isDraining()) return
    if (controller.inFlight.has(holding.row.id) || holding.row.changedAt.getTime() >= before) continue
    const { finding, machine, reason } = examine(controller, holding, seen)
    // One that cannot be mended now must not keep the others from it.
    await mend(controller, host, holding.row, decideMend(finding), { machine, reason }).catch((err: unknown) =>
      controller.log('warn', 'reconcile.mend_failed', { sandbox: holding.row.id, error: describeError(err) }),
    )
  }
  for (const machine of answer.value.vms) if (!known.has(machine.id)) await endStray(controller, host, machine.id)
  for (const loss of answer.value.lost) if (!known.has(loss.id)) await host.destroy(loss.id)
}

async function endStray(controller: Controller, host: Host, id: string): Promise<void> {
  // Between the two looks a request of ours may have moved its sandbox here; it is not in the rows we read, and not a stray.
  if (controller.inFlight.has(id)) return
  controller.log('warn', 'reconcile.stray', { sandbox: id, host: host.name })
  await host.destroy(id)
}

function examine(
  controller: Controller,
  { row, isOwnerAlive, ageMs, isOverdue, isDue }: Holding,
  seen: Seen,
): { finding: Finding; machine: VmRecord | undefined; reason: string | undefined } {
  const machine = seen.machines.get(row.id)
  const loss = seen.losses.get(row.id)
  const isOurs = row.instance === controller.instance.number
  const finding: Finding = {
    state: row.state,
    machine: machine?.state ?? 'none',
    isOrphan: ageMs > LIMITS.createStaleMs || ((isOurs || !isOwnerAlive) && ageMs > LIMITS.instanceGraceMs),
    isOverdue,
    isExpired: loss === undefined ? isDue : loss.cause === 'expired',
    persistent: row.persistent,
  }
  return { finding, machine, reason: loss?.reason }
}

async function databaseTime({ database }: Controller): Promise<number> {
  const { rows } = await database.pool.query<{ now: Date }>('select clock_timestamp() as now')
  return rows[0]?.now.getTime() ?? 0
}

/** Ages are reckoned by the database's clock, which every controller of the region shares. */
async function readHoldings({ database }: Controller, host: string): Promise<Holding[]> {
  const rows = await database.db
    .select({
      row: HOLDING_COLUMNS,
      // Asked only where it counts: the list of locks is not free.
      isOwnerAlive: sql<boolean>`case when ${inArray(sandbox.state, UNFINISHED)} then instance_alive(${sandbox.instance}) else true end`,
      ageMs: sql`extract(epoch from clock_timestamp() - ${sandbox.changedAt}) * 1000`.mapWith(Number),
      isDue: sql<boolean>`coalesce(${sandbox.expiresAt} <= clock_timestamp(), false)`,
      isOverdue: sql<boolean>`coalesce(${sandbox.expiresAt} < clock_timestamp() - make_interval(secs => ${LIMITS.expiryGraceMs / 1_000}), false)`,
    })
    .from(sandbox)
    .where(and(eq(sandbox.host, host), isNull(sandbox.releasedAt)))
  return rows
}
