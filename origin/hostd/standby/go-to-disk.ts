/**
 * The second step of a pause: a sandbox that stands in memory is written to disk, and its machine ends.
 *
 *   its state is on the platter        a crash here leaves it paused in memory, and a state that nobody names
 *   the journal says that it is there  the step that decides; as long as the machine is there, too, that is taken up again: it has not moved
 *   the machine is disowned, and ends
 */
import { randomBytes } from 'node:crypto'
import { toAppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import type { Machine } from '../machine/machine.ts'
import { captureMachine } from '../snapshot/capture.ts'
import { takeTurnAnywhere } from '../vm/in-turn.ts'
import { endMachine, ownStill, park } from '../vm/own.ts'
import type { Vm } from '../vm/vm.ts'
import { type Parked, parkedIn } from './parked.ts'

/** One that is on disk already, or runs again by the time it has its turn, is left as it is. Throws what `captureMachine` throws: it stays paused in memory then. */
export function goToDisk(host: Host, id: string): Promise<void> {
  return takeTurnAnywhere(host, id, async (vm) => {
    const { machine } = vm
    if (vm.state !== 'paused' || machine === null) return
    const wrote = host.metrics.standbys.startTimer()
    try {
      await move(host, vm, machine)
    } catch (error) {
      vm.ending.signal.throwIfAborted()
      host.metrics.standbyFailures.inc({ code: toAppError(error).code })
      throw error
    }
    const seconds = wrote()
    host.log('sandbox-on-disk', { id, bytes: vm.parked?.snapshot.manifest.bytes, ms: Math.round(seconds * 1_000) })
  })
}

async function move(host: Host, vm: Vm, machine: Machine): Promise<void> {
  vm.parked = await keep(host, vm, machine)
  // Nobody owns what is left of it, so the next daemon reaps it.
  await endMachine(host.journal, vm).catch((error) => host.log('cleanup-failed', { id: vm.id, ...describe(error) }))
}

async function keep(host: Host, vm: Vm, machine: Machine): Promise<Parked> {
  const { template, machine: shape } = vm.spec
  const snapshot = await captureMachine(host, machine, {
    ...{ id: `standby-${randomBytes(8).toString('hex')}`, kind: 'standby', sandbox: vm.id, template, shape },
    stance: 'stands',
    record: () => ownStill(host.journal, vm, machine),
  })
  const parked = parkedIn(host, snapshot)
  try {
    vm.ending.signal.throwIfAborted()
    await park(host.journal, vm, parked)
    vm.ending.signal.throwIfAborted()
    return parked
  } catch (error) {
    await parked.end()
    throw error
  }
}
