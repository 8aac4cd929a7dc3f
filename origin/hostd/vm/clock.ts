/** Stops compute whose time is over, whether or not a controller is there to ask for it. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import { due } from './deadlines.ts'
import { pauseVm } from './pause.ts'
import type { Vm } from './vm.ts'

/** Runs until `draining`; a look at all sandboxes costs microseconds. */
export function startClock(host: Host): void {
  const timer = setInterval(() => look(host, Date.now()), LIMITS.deadlineTickMs)
  host.draining.addEventListener('abort', () => clearInterval(timer))
}

function look(host: Host, nowMs: number): void {
  for (const vm of host.registry.all())
    act(host, vm, nowMs).catch((error) => host.log('deadline-failed', { id: vm.id, ...describe(error) }))
}

/** What was destroyed by the clock is kept as a loss, so that the controller learns why it is gone. */
async function act(host: Host, vm: Vm, nowMs: number): Promise<void> {
  const verdict = due(vm, nowMs)
  if (verdict === 'pause') await pauseVm(host, vm.id, (now) => due(now, Date.now()) === 'pause')
  if (verdict === 'destroy')
    await host.registry.lose(vm, { reason: 'Its time was over.', cause: 'expired', at_ms: nowMs })
}
