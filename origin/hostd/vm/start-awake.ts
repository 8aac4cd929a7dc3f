/** A machine that goes on from a snapshot before it is anybody's: whoever wants it still has what was there before, should it not come up. */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import type { Machine } from '../machine/machine.ts'
import { startFromSnapshot } from '../snapshot/restore.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Vm } from './vm.ts'
import { wakeMachine } from './wake-machine.ts'

/**
 * It runs and has answered under the sandbox's name. Nobody owns it, so a crash leaves it to be reaped. Throws what `startFromSnapshot` throws,
 * and AppError('boot_failed') whatever became of the machine afterwards: the sandbox is not lost for it.
 */
export async function startAwake(host: Host, vm: Vm, snapshot: Snapshot): Promise<Machine> {
  // Also while it waits for its turn.
  await using _inUse = snapshot.use()
  return await host.gate.pass(async () => {
    vm.ending.signal.throwIfAborted()
    const machine = await startFromSnapshot(host, snapshot)
    try {
      const limit = AbortSignal.timeout(LIMITS.restoreTimeoutMs)
      const words = { hostname: vm.spec.hostname, egress: host.egress.wordsFor(vm.id) }
      await wakeMachine(machine, words, AbortSignal.any([limit, vm.ending.signal, machine.died]))
      return machine
    } catch (cause) {
      await machine.end()
      vm.ending.signal.throwIfAborted()
      throw new AppError('boot_failed', 'The machine of the sandbox did not come up.', { cause })
    }
  })
}
