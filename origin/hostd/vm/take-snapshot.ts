/** Keeps what a sandbox is at this moment. It goes on as it was, its commands and connections open. */
import type { HostSnapshot } from '../../../shared/contracts/host-snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { wakeNow } from '../guest-wake.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import type { Machine } from '../machine/machine.ts'
import { captureMachine } from '../snapshot/capture.ts'
import { copySnapshot } from '../snapshot/copy-snapshot.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { answeringSession } from './answering-session.ts'
import { takeTurnAnywhere } from './in-turn.ts'
import { ownStill } from './own.ts'
import type { Vm } from './vm.ts'

/**
 * The same id again answers the same, also when the sandbox is gone by then. Throws AppError: `sandbox_not_found`, `sandbox_lost`,
 * `sandbox_expired`, `already_exists` when another sandbox's snapshot has the id, `guest_unreachable`, and what `captureMachine` throws.
 */
export async function takeSnapshot(host: Host, vmId: string, id: string): Promise<HostSnapshot> {
  const before = taken(host, vmId, id)
  if (before !== null) return before
  return takeTurnAnywhere(host, vmId, async (vm) => {
    const before = taken(host, vmId, id)
    if (before !== null) return before
    const snapshot = await (vm.machine === null ? copyParked(host, vm, id) : take(host, vm, vm.machine, id))
    const { bytes, stopped_ms } = snapshot.manifest
    host.log('snapshot-taken', { id, sandbox: vm.id, bytes, stopped_ms: Math.round(stopped_ms) })
    return recordOf(snapshot)
  })
}

export function snapshotsOf(host: Host): HostSnapshot[] {
  return host.snapshots.all().filter(isNamed).map(recordOf)
}

function taken(host: Host, sandbox: string, id: string): HostSnapshot | null {
  const found = host.snapshots.get(id)
  if (found === null) return null
  if (isNamed(found) && found.manifest.sandbox === sandbox) return recordOf(found)
  throw new AppError('already_exists', 'There is a snapshot of this id.')
}

/** One that is paused on disk is a snapshot already. */
async function copyParked({ snapshots }: Host, { parked }: Vm, id: string): Promise<Snapshot> {
  if (parked === null) throw new AppError('state_conflict', 'The sandbox is being destroyed.')
  return copySnapshot(snapshots, parked.snapshot, { id, kind: 'named' })
}

async function take(host: Host, vm: Vm, machine: Machine, id: string): Promise<Snapshot> {
  const isRunning = vm.state === 'running'
  const session = isRunning ? await answeringSession(vm, machine) : null
  try {
    const { template, machine: shape } = vm.spec
    const snapshot = await captureMachine(host, machine, {
      ...{ id, kind: 'named', sandbox: vm.id, template, shape },
      stance: isRunning ? 'runs' : 'stands',
      record: () => ownStill(host.journal, vm, machine),
    })
    await session
      ?.wake(wakeNow(vm.spec.hostname))
      .catch((error) => host.log('wake-failed', { id: vm.id, ...describe(error) }))
    return snapshot
  } catch (error) {
    vm.ending.signal.throwIfAborted()
    throw error
  }
}

const isNamed = ({ manifest }: Snapshot): boolean => manifest.kind === 'named'

function recordOf({ manifest }: Snapshot): HostSnapshot {
  const { id, sandbox, template, machine, taken_at_ms, bytes, stopped_ms } = manifest
  return { id, sandbox, template, machine, taken_at_ms, bytes, stopped_ms }
}
