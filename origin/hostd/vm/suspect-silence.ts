/** What becomes of a machine whose agent did not keep its word to end a command in time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { GuestLink } from '../machine/guest-link.ts'
import type { Vm } from './vm.ts'

const AGAIN_MS = 1_000

type Ground = { guest: Pick<GuestLink, 'session' | 'accuse'>; died: AbortSignal }

/**
 * Asks the agent whether it is there, again and again, and has its machine ended when no answer came in `silenceMs`. A
 * machine that is paused meanwhile cannot answer and is not blamed. It never rejects.
 */
export async function suspectSilence(
  vm: Vm,
  { guest, died }: Ground,
  silenceMs: number = LIMITS.guestSilenceMs,
): Promise<void> {
  const patience = AbortSignal.timeout(silenceMs)
  const excused = AbortSignal.any([vm.frozen.signal, vm.ending.signal, died])
  const signal = AbortSignal.any([patience, excused])
  while (!signal.aborted) {
    const hasAnswered = await guest
      .session(signal)
      .then((session) => session.answers(silenceMs))
      .then(
        () => true,
        () => false,
      )
    if (hasAnswered) return
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => {})
  }
  if (!excused.aborted && vm.state === 'running') guest.accuse('silence')
}
