/**
 * A sandbox that is paused on disk goes on in a machine of its own.
 *
 *   a machine starts from its state and answers   nobody owns it yet: whatever goes wrong, the sandbox stays paused on disk
 *   the journal says that it is the sandbox's     from here on the machine counts, as long as its process lives
 *   its state on disk is forgotten                before anybody hears that it runs, so that it never goes back in time
 */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import { lost } from '../machine/death.ts'
import type { Machine } from '../machine/machine.ts'
import { startFromSnapshot } from '../snapshot/restore.ts'
import { own } from '../vm/own.ts'
import type { Vm } from '../vm/vm.ts'
import { wakeMachine } from '../vm/wake-machine.ts'
import { watch } from '../vm/watch.ts'
import type { Parked } from './parked.ts'

/**
 * Call it in the sandbox's turn. Throws AppError, and leaves it paused on disk: `host_memory_exhausted`, `host_disk_exhausted`,
 * `snapshot_incompatible`, `boot_failed`, `draining`. `sandbox_lost` when what was kept of it is damaged: it is then.
 */
export async function comeBack(host: Host, vm: Vm, parked: Parked): Promise<void> {
  if (host.draining.aborted) throw new AppError('draining', 'This host starts nothing more.')
  const start = Promise.withResolvers<void>()
  // Whoever ends the sandbox meanwhile waits until nothing of this is left.
  vm.started = start.promise
  try {
    await handOver(host, vm, parked, await startAgain(host, vm, parked))
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

/** A machine that runs and has answered, and that nobody owns: a crash leaves it to be reaped. */
function startAgain(host: Host, vm: Vm, { snapshot }: Parked): Promise<Machine> {
  return host.gate.pass(async () => {
    vm.ending.signal.throwIfAborted()
    const machine = await startFromSnapshot(host, snapshot)
    try {
      machine.guest.keepCommands()
      const limit = AbortSignal.timeout(LIMITS.bootTimeoutMs)
      await wakeMachine(machine, vm.spec.hostname, AbortSignal.any([limit, vm.ending.signal, machine.died]))
      return machine
    } catch (cause) {
      await machine.end()
      // Whatever became of this machine, the sandbox is not lost: its state is still there.
      throw new AppError('boot_failed', 'The machine of the sandbox did not come up.', { cause })
    }
  })
}

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
