/**
 * A sandbox that is paused on disk goes on in a machine of its own.
 *
 *   a machine starts from its state and answers   nobody owns it yet: whatever goes wrong, the sandbox stays paused on disk
 *   the journal says that it is the sandbox's     from here on the machine counts, as long as its process lives
 *   its state on disk is forgotten                before anybody hears that it runs, so that it never goes back in time
 */
import { AppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import { lost } from '../machine/death.ts'
import type { Machine } from '../machine/machine.ts'
import { own } from '../vm/own.ts'
import { startAwake } from '../vm/start-awake.ts'
import type { Vm } from '../vm/vm.ts'
import { watch } from '../vm/watch.ts'
import type { Parked } from './parked.ts'

/**
 * Call it in the sandbox's turn. Throws AppError, and leaves it paused on disk: `host_memory_exhausted`, `host_disk_exhausted`,
 * `snapshot_incompatible`, `boot_failed`. `sandbox_lost` when what was kept of it is damaged: it is then.
 */
export async function comeBack(host: Host, vm: Vm, parked: Parked): Promise<void> {
  const start = Promise.withResolvers<void>()
  // Whoever ends the sandbox meanwhile waits until nothing of this is left.
  vm.started = start.promise
  try {
    await handOver(host, vm, parked, await startAwake(host, vm, parked.snapshot))
  } catch (error) {
    start.resolve()
    vm.ending.signal.throwIfAborted()
    if (!isDamaged(error)) throw error
    const reason = 'What was kept of the sandbox on disk is damaged.'
    await host.registry.lose(vm, { reason, cause: 'died', at_ms: Date.now() })
    throw lost(reason)
  } finally {
    start.resolve()
  }
}

const isDamaged = (error: unknown): boolean => error instanceof AppError && error.code === 'snapshot_corrupt'

async function handOver(host: Host, vm: Vm, parked: Parked, machine: Machine): Promise<void> {
  try {
    vm.ending.signal.throwIfAborted()
    own(host.journal, vm, machine)
  } catch (error) {
    vm.machine = null
    await machine.end()
    throw error
  }
  vm.parked = null
  watch(vm, machine, host.registry, host.log)
  // Should it still be there for the next daemon, the machine counts.
  await parked.end().catch((error) => host.log('cleanup-failed', { id: vm.id, ...describe(error) }))
  vm.ending.signal.throwIfAborted()
}
