/** A command in a sandbox, from the request to its last frame. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { GuestExec } from '../../../shared/contracts/guest.ts'
import { AppError } from '../../../shared/errors.ts'
import { type Frame, FrameError } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { GuestLink } from '../machine/guest-link.ts'
import type { Vm } from './vm.ts'

const WATCH_EVERY_MS = 1_000
/** How long after a machine stopped answering its process may take to be seen dead. */
const DEATH_SEEN_MS = 200

/** As much of a machine as a command needs. */
type Ground = { guest: Pick<GuestLink, 'session'>; died: AbortSignal }

/**
 * The frames of one command, as the guest sends them. Aborting `signal` or leaving the loop kills the command.
 * Throws AppError: `sandbox_busy` before anything was done, `sandbox_lost` or `guest_unreachable` afterwards.
 */
export async function* runCommand(
  vm: Vm,
  machine: Ground,
  exec: GuestExec,
  signal: AbortSignal,
): AsyncGenerator<Frame> {
  if (vm.commandsRunning >= LIMITS.execConcurrencyPerSandboxMax)
    throw new AppError(
      'sandbox_busy',
      `At most ${LIMITS.execConcurrencyPerSandboxMax} commands run in a sandbox at a time.`,
    )
  vm.commandsRunning++
  vm.activeAtMs = Date.now()
  const overdue = new AbortController()
  const stopWatching = watchClock(vm, exec.timeout_ms + LIMITS.execDrainMs + LIMITS.guestRequestMs, overdue)
  const stopped = AbortSignal.any([signal, vm.ending.signal, machine.died, overdue.signal])
  try {
    const session = await machine.guest.session(stopped)
    yield* session.exec(exec, { signal: stopped })
  } catch (error) {
    throw await explain(stopped, error)
  } finally {
    stopWatching()
    vm.commandsRunning--
    vm.activeAtMs = Date.now()
  }
}

/** The guest enforces the timeout; this is for a guest that does not. Time in which the machine is paused does not count. */
function watchClock(vm: Vm, ms: number, overdue: AbortController): () => void {
  let leftMs = ms
  const tick = (): void => {
    if (vm.state !== 'paused') leftMs -= WATCH_EVERY_MS
    if (leftMs > 0) return
    clearInterval(timer)
    overdue.abort(new AppError('guest_unreachable', 'The sandbox did not end a command whose time was over.'))
  }
  const timer = setInterval(tick, WATCH_EVERY_MS)
  return () => clearInterval(timer)
}

/** A machine that dies breaks its session first, so the reason may come a moment after the failure. */
async function explain(stopped: AbortSignal, error: unknown): Promise<unknown> {
  if (!stopped.aborted) await sleep(DEATH_SEEN_MS, undefined, { signal: stopped }).catch(() => {})
  if (stopped.aborted) return stopped.reason
  if (!(error instanceof FrameError)) return error
  return new AppError('guest_unreachable', 'The agent inside the sandbox sent something that makes no sense.', {
    cause: error,
  })
}
