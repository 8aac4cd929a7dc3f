/** A machine whose agent is dead would be dead in everything that is made of it, so that nobody should find out later. */
import { LIMITS } from '../../../shared/limits.ts'
import type { GuestSession } from '../guest/session.ts'
import { refuseDead } from '../machine/death.ts'
import type { Machine } from '../machine/machine.ts'
import type { Vm } from './vm.ts'

/** The session of a running machine whose agent has just answered. Throws AppError('guest_unreachable'), or why the sandbox ended. */
export async function answeringSession(vm: Vm, machine: Machine): Promise<GuestSession> {
  const limit = AbortSignal.timeout(LIMITS.guestHandshakeMs)
  const stopped = AbortSignal.any([vm.ending.signal, machine.died])
  try {
    const session = await machine.guest.session(AbortSignal.any([limit, stopped]))
    await session.answers(LIMITS.guestRequestMs)
    return session
  } catch (error) {
    await refuseDead(stopped)
    throw error
  }
}
