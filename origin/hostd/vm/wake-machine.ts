/** A machine that stands goes on, and its guest learns what changed while it stood: the time, the name, where it may go, and numbers that nobody can guess. */
import type { GuestEgress } from '../../../shared/contracts/guest-egress.ts'
import { wakeNow } from '../guest-wake.ts'
import { type Machine, resume } from '../machine/machine.ts'

/** Returns when the guest has answered. Throws AppError('guest_unreachable'), or the reason for which the patience ended; then it may run or stand. */
export async function wakeMachine(
  machine: Machine,
  { hostname, egress }: { hostname: string; egress: GuestEgress },
  patience: AbortSignal,
): Promise<void> {
  const tell = async (): Promise<void> => {
    const session = await machine.guest.session(patience)
    await session.wake(wakeNow(hostname, { egress }), { signal: patience })
  }
  // Asked for at once; a machine that dies fails both, and each failure has its hearer.
  await Promise.all([resume(machine), tell()])
}
