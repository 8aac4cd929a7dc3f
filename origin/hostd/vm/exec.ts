/** A command in a sandbox that is there already. */
import type { HostExec } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Frame } from '../../../shared/frames.ts'
import type { Host } from '../host.ts'
import { runCommand } from './run-command.ts'

/** Throws AppError: `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`, `sandbox_not_running` when it is paused, and what `runCommand` throws. */
export async function* execInVm(host: Host, id: string, exec: HostExec, signal: AbortSignal): AsyncGenerator<Frame> {
  const vm = host.registry.require(id)
  await vm.started
  if (vm.state !== 'running' || vm.machine === null)
    throw new AppError('sandbox_not_running', `The sandbox is ${vm.state}.`)
  yield* runCommand(vm, vm.machine, exec, signal)
}
