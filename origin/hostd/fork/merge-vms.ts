/**
 * A sandbox goes on with the machine of another one, whose name ends with it: its processes, its memory and the commands under
 * way in it, which do not notice. The machine that it had until then ends.
 */
import type { VmRecord } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { machineKey } from '../../../shared/machines.ts'
import { wakeNow } from '../guest-wake.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import { answeringSession } from '../vm/answering-session.ts'
import { takeTurnAnywhere } from '../vm/in-turn.ts'
import { recordOf, type Vm } from '../vm/vm.ts'
import { goOnAs } from './go-on-as.ts'

/**
 * The parent may be paused and runs afterwards, until the deadlines of the winner. A repeat of what is done answers the same. Throws AppError:
 * `invalid_request` for one and the same, `merge_not_possible` for two that are not alike, `sandbox_not_running` for a winner that is paused,
 * `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`, `guest_unreachable`, `state_conflict`: then nothing has changed.
 */
export async function mergeVms(host: Host, parentId: string, winnerId: string): Promise<VmRecord> {
  if (parentId === winnerId) throw new AppError('invalid_request', 'A sandbox cannot be merged into itself.')
  try {
    return merged(host, parentId, winnerId) ?? (await inBothTurns(host, parentId, winnerId))
  } catch (error) {
    // Another call for the same may have been quicker.
    const record = merged(host, parentId, winnerId)
    if (record === null) throw error
    return record
  }
}

function merged({ registry }: Host, parentId: string, winnerId: string): VmRecord | null {
  const parent = registry.get(parentId)
  const isDone = parent?.mergedFrom === winnerId && parent.gone === null && registry.get(winnerId) === undefined
  return isDone ? recordOf(parent) : null
}

/** In the order of their ids, so that two merges never wait for each other. */
function inBothTurns(host: Host, parentId: string, winnerId: string): Promise<VmRecord> {
  const [first, second] = parentId < winnerId ? [parentId, winnerId] : [winnerId, parentId]
  return takeTurnAnywhere(host, first, (one) =>
    takeTurnAnywhere(host, second, (two) => (one.id === parentId ? merge(host, one, two) : merge(host, two, one))),
  )
}

async function merge(host: Host, parent: Vm, winner: Vm): Promise<VmRecord> {
  refuseUnlike(parent, winner)
  const { machine } = winner
  if (winner.state !== 'running' || machine === null)
    throw new AppError('sandbox_not_running', `The winner is ${winner.state}.`)
  const session = await answeringSession(winner, machine)
  const winnerId = winner.id
  const before = winner.mergedFrom
  winner.mergedFrom = winnerId
  const record = await goOnAs(host, parent, {
    next: winner,
    machine,
    reason: 'The sandbox goes on with the machine of another one.',
  }).catch((error) => {
    winner.mergedFrom = before
    throw error
  })
  host.egress.follow(winner)
  await session
    .wake(wakeNow(parent.spec.hostname, { egress: host.egress.wordsFor(parent.id) }))
    .catch((error) => host.log('wake-failed', { id: parent.id, ...describe(error) }))
  host.metrics.replacements.inc({ by: 'merge' })
  host.log('sandboxes-merged', { id: parent.id, winner: winnerId, machine: machine.name })
  return record
}

/** What is promised goes by the parent, and what runs is the winner. */
function refuseUnlike({ spec: parent }: Vm, { spec: winner }: Vm): void {
  if (parent.template === winner.template && machineKey(parent.machine) === machineKey(winner.machine)) return
  throw new AppError('merge_not_possible', 'These two sandboxes are of different kinds.')
}
