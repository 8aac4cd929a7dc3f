/** Where a sandbox may go is changed while it goes on. */
import type { EgressSetting } from '../../../shared/contracts/host-egress.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { wakeNow } from '../guest-wake.ts'
import type { Host } from '../host.ts'
import { takeTurnAnywhere } from './in-turn.ts'

/**
 * The revision in force, on disk when it returns. A running guest has been told by then; a paused one is told when it goes on. Throws
 * AppError('guest_unreachable') when it could not be told: it is enforced all the same, and a repeat tells it again.
 */
export function setEgress(host: Host, id: string, setting: EgressSetting): Promise<number> {
  return takeTurnAnywhere(host, id, async (vm) => {
    const revision = host.egress.put(vm, setting)
    if (vm.state !== 'running' || vm.machine === null) return revision
    const patience = AbortSignal.any([AbortSignal.timeout(LIMITS.guestHandshakeMs), vm.ending.signal, vm.machine.died])
    const session = await vm.machine.guest.session(patience)
    await session.wake(wakeNow(vm.spec.hostname, { egress: host.egress.wordsFor(vm.id) }), { signal: patience })
    return revision
  })
}
