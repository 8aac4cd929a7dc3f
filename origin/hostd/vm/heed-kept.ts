/** Commands that went on without anybody hearing them, because their machine stood while it lost its host, keep their sandbox from being idle. */
import type { Vm } from './vm.ts'

/** All of them count as one command until the last has ended. It never rejects. */
export async function heedKept(vm: Vm): Promise<void> {
  const { machine } = vm
  if (machine === null) return
  const signal = AbortSignal.any([machine.died, vm.ending.signal])
  vm.commandsRunning++
  try {
    const session = await machine.guest.session(signal)
    await session.keptEnded({ signal })
  } catch {
    // Its session has ended, and what it kept is kept by the next one or ended, too.
  } finally {
    vm.commandsRunning--
    vm.activeAtMs = Date.now()
  }
}
