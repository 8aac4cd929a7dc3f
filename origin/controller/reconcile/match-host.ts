/**
 * Compares what one host has with the rows of the sandboxes that hold room there, and mends the difference.
 *
 * The order of looking is what makes it safe beside requests in flight: first the database's clock, then the host, then the rows.
 * A row that changed after that clock is left for the next look. A machine without a row is really without one, because a row is
 * always written before its machine is asked for.
 */
import type { VmInventory, VmRecord } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Host } from '../hosts/client.ts'
import { describeError } from '../log.ts'
import { forgetAbsence, readAbsence } from './absence.ts'
import { databaseTime } from './database-time.ts'
import { decideMend, type Finding } from './decide-mend.ts'
import { findSuspects, type Holding } from './find-suspects.ts'
import { mend } from './mend.ts'

type VmLoss = VmInventory['lost'][number]
type Seen = { machines: ReadonlyMap<string, VmRecord>; losses: ReadonlyMap<string, VmLoss> }

/** Answers how many sandboxes the host has, which is what a look at it costs. */
export async function matchHost(controller: Controller, host: Host): Promise<number> {
  const before = await databaseTime(controller)
  const awayFrom = await readAbsence(controller, host)
  const answer = await host.inventory()
  if (answer.kind !== 'done') return 0
  const { vms, lost } = answer.value
  const { holdings, rowless } = await findSuspects(controller, host.name, answer.value)
  const seen: Seen = {
    machines: new Map(vms.map((machine) => [machine.id, machine])),
    losses: new Map(lost.map((loss) => [loss.id, loss])),
  }

  let isWhole = true
  for (const holding of holdings) {
    // A host that hangs costs every mend its whole deadline, and the end of this process waits for none of them.
    if (controller.isDraining()) return vms.length
    if (controller.inFlight.has(holding.id) || holding.changedAt.getTime() >= before) continue
    const { finding, machine, reason } = examine(controller, holding, seen)
    // One that cannot be mended now must not keep the others from it.
    await mend(controller, host, holding, decideMend(finding), { machine, reason }).catch((err: unknown) => {
      isWhole = false
      controller.log('warn', 'reconcile.mend_failed', { sandbox: holding.id, error: describeError(err) })
    })
  }
  if (awayFrom !== null && isWhole) await forgetAbsence(controller, host, awayFrom)
  for (const id of rowless) {
    if (controller.isDraining()) break
    if (seen.machines.has(id)) await endStray(controller, host, id)
    else await host.destroy(id)
  }
  return vms.length
}

async function endStray(controller: Controller, host: Host, id: string): Promise<void> {
  // Between the two looks a request of ours may have moved its sandbox here; it is not in the rows we read, and not a stray.
  if (controller.inFlight.has(id)) return
  controller.metrics.mends.inc({ kind: 'stray' })
  controller.log('warn', 'reconcile.stray', { sandbox: id, host: host.name })
  await host.destroy(id)
}

function examine(
  controller: Controller,
  holding: Holding,
  seen: Seen,
): { finding: Finding; machine: VmRecord | undefined; reason: string | undefined } {
  const { ageMs, isOwnerAlive } = holding
  const machine = seen.machines.get(holding.id)
  const loss = seen.losses.get(holding.id)
  const isOurs = holding.instance === controller.instance.number
  const finding: Finding = {
    state: holding.state,
    machine: machine?.state ?? 'none',
    isOrphan: ageMs > LIMITS.createStaleMs || ((isOurs || !isOwnerAlive) && ageMs > LIMITS.instanceGraceMs),
    isMerging: holding.mergeInto !== null && loss === undefined,
    isOverdue: holding.isOverdue,
    isMistimed: holding.isMistimed,
    isMisled: holding.isMisled,
    isExpired: loss === undefined ? holding.isDue : loss.cause === 'expired',
    persistent: holding.persistent,
  }
  return { finding, machine, reason: loss?.reason }
}
