/** Moves paused sandboxes from memory to disk when their time has come, one at a time; and while none waits for a machine, unless memory is short. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import type { Vm } from '../vm/vm.ts'
import { chooseForDisk } from './choose.ts'
import { goToDisk } from './go-to-disk.ts'

/** Runs until `draining`. */
export function keepStandby(host: Host, afterMs: number): void {
  /** Those that could not be written, and when they are tried again. */
  const notBeforeMs = new WeakMap<Vm, number>()
  let isBusy = false
  const look = async (): Promise<void> => {
    if (isBusy) return
    isBusy = true
    try {
      if (host.facts().memoryAvailableMib >= LIMITS.standbyMemoryMib) await host.gate.idle()
      const nowMs = Date.now()
      const { memoryAvailableMib } = host.facts()
      const rested = host.registry.all().filter((vm) => (notBeforeMs.get(vm) ?? 0) <= nowMs)
      const [vm] = chooseForDisk(rested, afterMs, { nowMs, memoryAvailableMib })
      if (vm === undefined) return
      await goToDisk(host, vm.id).catch((error) => {
        notBeforeMs.set(vm, nowMs + LIMITS.standbyRetryMs)
        host.log('standby-failed', { id: vm.id, ...describe(error) })
      })
    } finally {
      isBusy = false
    }
  }
  const timer = setInterval(() => void look(), LIMITS.standbyLookMs)
  host.draining.addEventListener('abort', () => clearInterval(timer))
}
