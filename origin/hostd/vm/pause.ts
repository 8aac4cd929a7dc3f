/**
 * A sandbox's CPU stops and goes on; memory, disk and open commands stay as they are. Whoever waits for one hears of it. Where it stood
 * meanwhile, in memory or on disk, makes no difference but how long it takes to go on.
 */
import type { VmDeadlines, VmRecord } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import { type Machine, stop } from '../machine/machine.ts'
import { comeBack } from '../standby/come-back.ts'
import { heedKept } from './heed-kept.ts'
import { inTurn } from './in-turn.ts'
import { journalChange } from './own.ts'
import { deadlinesOf, type Vm } from './vm.ts'
import { wakeMachine } from './wake-machine.ts'

/**
 * Pausing a paused sandbox changes nothing. `isWanted` is asked when it is this change's turn: what the clock found due may have been
 * given more time by a change before it. Throws the reason for which the sandbox ended meanwhile.
 */
export function pauseVm(host: Host, id: string, isWanted: (vm: Vm) => boolean = () => true): Promise<VmRecord> {
  return inTurn(host, id, async (vm) => {
    const { machine } = vm
    if (vm.state !== 'running' || machine === null || !isWanted(vm)) return
    vm.state = 'paused'
    vm.pausedAtMs = Date.now()
    await stop(machine).catch((error) => {
      // A machine that dies fails it, too.
      vm.ending.signal.throwIfAborted()
      throw error
    })
    vm.frozen.abort(new AppError('sandbox_paused', 'The sandbox was paused while the command ran.'))
  })
}

/**
 * Resuming a running sandbox only gives it its new deadlines. Throws AppError('guest_unreachable') and leaves it paused when it does not
 * answer; `draining`; and what `comeBack` throws.
 */
export function resumeVm(host: Host, id: string, deadlines: VmDeadlines): Promise<VmRecord> {
  return inTurn(host, id, async (vm) => {
    vm.spec = { ...vm.spec, ...deadlinesOf(deadlines) }
    await journalChange(host.journal, vm)
    vm.activeAtMs = Date.now()
    if (vm.state !== 'paused') return
    if (host.draining.aborted) throw new AppError('draining', 'This host starts nothing more.')
    const resumed = host.metrics.resumes.startTimer({ from: vm.parked === null ? 'memory' : 'disk' })
    if (vm.machine !== null) await goOn(host, vm, vm.machine)
    else if (vm.parked !== null) await comeBack(host, vm, vm.parked)
    vm.ending.signal.throwIfAborted()
    resumed()
    vm.frozen = new AbortController()
    vm.state = 'running'
    vm.pausedAtMs = null
    vm.activeAtMs = Date.now()
    host.egress.tend(vm)
    void heedKept(vm)
  })
}

async function goOn(host: Host, vm: Vm, machine: Machine): Promise<void> {
  const patience = AbortSignal.any([AbortSignal.timeout(LIMITS.guestHandshakeMs), vm.ending.signal, machine.died])
  try {
    await wakeMachine(machine, { hostname: vm.spec.hostname, egress: host.egress.wordsFor(vm.id) }, patience)
  } catch (error) {
    vm.ending.signal.throwIfAborted()
    await stop(machine)
    throw error
  }
}
