/** A sandbox becomes what it was at a snapshot, under its own id. Until that stands and answers, it stays what it is. */
import type { VmRecord } from '../../../shared/contracts/host.ts'
import type { RestoreBody } from '../../../shared/contracts/host-snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { machineKey } from '../../../shared/machines.ts'
import type { Host } from '../host.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { heedKept } from '../vm/heed-kept.ts'
import { takeTurnAnywhere } from '../vm/in-turn.ts'
import { startAwake } from '../vm/start-awake.ts'
import { deadlinesOf, newVm, type Vm } from '../vm/vm.ts'
import { watch } from '../vm/watch.ts'
import { goOnAs } from './go-on-as.ts'

/**
 * Also wakes a paused one. Throws AppError: `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`, `snapshot_not_found`, `snapshot_corrupt`,
 * `snapshot_incompatible`, also for one of another kind of machine, `host_memory_exhausted`, `boot_failed`.
 */
export async function restoreVm(host: Host, id: string, { snapshot_id, deadlines }: RestoreBody): Promise<VmRecord> {
  const snapshot = host.snapshots.requireNamed(snapshot_id)
  return takeTurnAnywhere(host, id, async (vm) => {
    if (host.draining.aborted) throw new AppError('draining', 'This host starts nothing more.')
    refuseUnlike(vm, snapshot)
    const sinceMs = performance.now()
    const machine = await startAwake(host, vm, snapshot)
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
    host.egress.tend(next)
    void heedKept(next)
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
