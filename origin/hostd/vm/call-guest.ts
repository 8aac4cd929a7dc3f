/** A call to the agent in a sandbox that is there already: its files, processes, terminals. What it means is between its caller and the agent. */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { GuestCall, OpenCall } from '../guest/open-call.ts'
import type { Host } from '../host.ts'

export type CarriedCall = OpenCall & {
  /** Aborts when the caller goes away, the machine is paused, or the sandbox ends: what was said until then is not the whole. */
  broken: AbortSignal
  /** To be told of every byte that the caller sends. */
  noteActivity(): void
}
export type CallOptions = {
  /** It is a command for as long as it lasts. */
  isWork: boolean
  caller: AbortSignal
}

/** Throws AppError: `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`, `sandbox_not_running`, `sandbox_calls_busy`, `guest_unreachable`. */
export async function callGuest(
  host: Host,
  id: string,
  call: GuestCall,
  { isWork, caller }: CallOptions,
): Promise<CarriedCall> {
  const vm = host.registry.require(id)
  await vm.started
  if (vm.state !== 'running' || vm.machine === null)
    throw new AppError('sandbox_not_running', `The sandbox is ${vm.state}.`)
  if (vm.guestCallsOpen >= LIMITS.guestCallsPerSandboxMax)
    throw new AppError('sandbox_calls_busy', `A sandbox takes at most ${LIMITS.guestCallsPerSandboxMax} at a time.`)
  const { guest, died } = vm.machine
  const broken = AbortSignal.any([caller, vm.frozen.signal, vm.ending.signal, died])
  const noteActivity = (): void => {
    vm.activeAtMs = Date.now()
  }
  const end = (): void => {
    vm.guestCallsOpen -= 1
    if (!isWork) return
    vm.commandsRunning -= 1
    noteActivity()
  }
  vm.guestCallsOpen += 1
  if (isWork) vm.commandsRunning += 1
  if (isWork || call.method !== 'GET') noteActivity()
  try {
    const session = await guest.session(broken)
    const opened = session.call(call, broken)
    opened.stream.once('close', end)
    return { ...opened, broken, noteActivity }
  } catch (thrown) {
    end()
    throw broken.aborted ? broken.reason : thrown
  }
}
