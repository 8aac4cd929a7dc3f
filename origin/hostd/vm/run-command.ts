/** A command in a sandbox, from the request to its last frame. */
import type { GuestExec } from '../../../shared/contracts/guest.ts'
import { AppError } from '../../../shared/errors.ts'
import { FRAME, type Frame, FrameError } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { refuseDead } from '../machine/death.ts'
import type { GuestLink } from '../machine/guest-link.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { suspectSilence } from './suspect-silence.ts'
import type { Vm } from './vm.ts'

const WATCH_EVERY_MS = 1_000

/** As much of a machine as a command needs. */
type Ground = { guest: Pick<GuestLink, 'session' | 'accuse'>; died: AbortSignal }

/**
 * The frames of one command, as the guest sends them. Aborting `signal` or leaving the loop kills the command, unless the machine
 * was paused: then nobody waits for it any more, and it goes on when the machine does.
 * Throws AppError: `sandbox_busy` before anything was done; `sandbox_paused`, `sandbox_lost`, `sandbox_expired` or
 * `guest_unreachable` afterwards.
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
  const frozen = vm.frozen.signal
  const left = new AbortController()
  const leave = (): void => {
    if (!frozen.aborted) left.abort(signal.reason)
  }
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  const frames = framesToTheEnd(vm, machine, exec, left.signal)
  try {
    for (;;) {
      const next = await unlessAborted(frozen, frames.next())
      if (next.done) return
      yield next.value
      // Nothing may follow the end, not even the news of a pause.
      if (next.value.type === FRAME.exited) return
    }
  } finally {
    signal.removeEventListener('abort', leave)
    if (frozen.aborted) dropRest(frames)
    else await frames.return(undefined)
  }
}

async function* framesToTheEnd(vm: Vm, machine: Ground, exec: GuestExec, left: AbortSignal): AsyncGenerator<Frame> {
  vm.commandsRunning++
  vm.activeAtMs = Date.now()
  const overdue = new AbortController()
  const stopWatching = watchClock(vm, exec.timeout_ms + LIMITS.execDrainMs + LIMITS.guestRequestMs, overdue)
  const stopped = AbortSignal.any([left, vm.ending.signal, machine.died, overdue.signal])
  try {
    const session = await machine.guest.session(stopped)
    yield* session.exec(exec, { signal: stopped })
  } catch (error) {
    if (error instanceof FrameError) machine.guest.accuse('nonsense')
    if (overdue.signal.aborted) void suspectSilence(vm, machine)
    throw await explain(stopped, error)
  } finally {
    stopWatching()
    vm.commandsRunning--
    vm.activeAtMs = Date.now()
  }
}

/** Reads a command to its end for nobody, because an answer that is not read holds the command up. How it ends is of no interest. */
function dropRest(frames: AsyncGenerator<Frame>): void {
  const drain = async (): Promise<void> => {
    while (!(await frames.next()).done);
  }
  drain().catch(() => {})
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
  try {
    await refuseDead(stopped)
  } catch (reason) {
    return reason
  }
  if (!(error instanceof FrameError)) return error
  return new AppError('guest_unreachable', 'The agent inside the sandbox sent something that makes no sense.', {
    cause: error,
  })
}
