/** A sandbox becomes what it was at a snapshot, under its own id. Until that stands and answers, it stays what it is. */
import type { VmRecord } from '../../../shared/contracts/host.ts'
import type { RestoreBody } from '../../../shared/contracts/host-snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { machineKey } from '../../../shared/machines.ts'
import type { Host } from '../host.ts'
import type { Machine } from '../machine/machine.ts'
import { startFromSnapshot } from '../snapshot/restore.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { takeTurn } from '../vm/in-turn.ts'
import { deadlinesOf, newVm, type Vm } from '../vm/vm.ts'
import { wakeMachine } from '../vm/wake-machine.ts'
import { watch } from '../vm/watch.ts'
import { goOnAs } from './go-on-as.ts'

/**
 * Also wakes a paused one. Throws AppError: `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`, `snapshot_not_found`, `snapshot_corrupt`,
 * `snapshot_incompatible`, also for one of another kind of machine, `host_memory_exhausted`, `boot_failed`.
 */
export async function restoreVm(host: Host, id: string, { snapshot_id, deadlines }: RestoreBody): Promise<VmRecord> {
  const snapshot = host.snapshots.requireNamed(snapshot_id)
  return takeTurn(host, id, async (vm) => {
    if (host.draining.aborted) throw new AppError('draining', 'This host starts nothing more.')
    refuseUnlike(vm, snapshot)
    const sinceMs = performance.now()
    const machine = await startAnew(host, vm, snapshot)
    const next: Vm = {
      ...newVm({ ...vm.spec, ...deadlinesOf(deadlines) }, Date.now()),
      state: 'running',
      boot: { boot_path: 'restore', boot_ms: performance.now() - sinceMs },
      mergedFrom: vm.mergedFrom,
    }
    const record = await goOnAs(host, vm, { next, machine, reason: 'The sandbox was restored from a snapshot.' }).catch(
      async (error) => {
        await machine.end()
        throw error
      },
    )
    watch(next, machine, host.registry, host.log)
    host.metrics.replacements.inc({ by: 'restore' })
    host.log('sandbox-restored', { id, snapshot: snapshot_id, machine: machine.name })
    return record
  })
}

/** What was promised to the sandbox goes by its own machine. */
function refuseUnlike({ spec }: Vm, { manifest }: Snapshot): void {
  if (spec.template === manifest.template && machineKey(spec.machine) === machineKey(manifest.machine)) return
  throw new AppError('snapshot_incompatible', 'This snapshot is of another kind of machine than this sandbox.')
}

/** A machine that runs and has answered, and that nobody owns: a crash leaves it to be reaped. */
async function startAnew(host: Host, vm: Vm, snapshot: Snapshot): Promise<Machine> {
  // Also while it waits for its turn.
  await using _inUse = snapshot.use()
  return await host.gate.pass(async () => {
    const machine = await startFromSnapshot(host, snapshot)
    try {
      const limit = AbortSignal.timeout(LIMITS.bootTimeoutMs)
      const patience = AbortSignal.any([limit, vm.ending.signal, machine.died])
      await wakeMachine(machine, vm.spec.hostname, patience)
      return machine
    } catch (cause) {
      await machine.end()
      vm.ending.signal.throwIfAborted()
      // Whatever became of this machine, the sandbox is not lost: it still has its own.
      throw new AppError('boot_failed', 'The machine of the snapshot did not come up.', { cause })
    }
  })
}
