/** A connection to a port of a sandbox that is there already. What passes counts as activity; an open connection alone does not. */
import type { ClientHttp2Stream } from 'node:http2'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { whenClosed } from '../guest/when-closed.ts'
import type { Host } from '../host.ts'
import type { Vm } from './vm.ts'

export type Tunnel = {
  stream: ClientHttp2Stream
  /** Aborts when the caller goes away, the machine is paused, or the sandbox ends: what was said until then is not the whole. */
  broken: AbortSignal
  /** To be told of every byte, either way. */
  noteActivity(): void
}

/**
 * Throws AppError: `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`, `sandbox_not_running`, `port_closed`, `port_busy`,
 * `guest_unreachable`.
 */
export async function tunnelToVm(host: Host, id: string, port: number, caller: AbortSignal): Promise<Tunnel> {
  const vm = host.registry.require(id)
  await vm.started
  if (vm.state !== 'running' || vm.machine === null)
    throw new AppError('sandbox_not_running', `The sandbox is ${vm.state}.`)
  if (vm.tunnelsOpen >= LIMITS.tunnelsPerSandboxMax)
    throw new AppError('port_busy', `A sandbox takes at most ${LIMITS.tunnelsPerSandboxMax} connections at a time.`)
  const { guest, died } = vm.machine
  const broken = AbortSignal.any([caller, vm.frozen.signal, vm.ending.signal, died])
  vm.tunnelsOpen += 1
  try {
    const session = await guest.session(broken)
    const stream = await session.tunnel(port, { signal: broken })
    noteActivity(vm)
    whenClosed(stream, () => {
      vm.tunnelsOpen -= 1
    })
    return { stream, broken, noteActivity: () => noteActivity(vm) }
  } catch (thrown) {
    vm.tunnelsOpen -= 1
    throw broken.aborted ? broken.reason : thrown
  }
}

function noteActivity(vm: Vm): void {
  vm.activeAtMs = Date.now()
}
