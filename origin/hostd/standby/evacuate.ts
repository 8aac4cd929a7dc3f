/**
 * Brings everything that runs here to disk, because this machine is about to go. All stop at once; then they are written, some at a time.
 * What is not there in time, or finds the disk full, stays paused in the memory of its process, and the next daemon takes it up from there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import { pauseVm } from '../vm/pause.ts'
import type { Vm } from '../vm/vm.ts'
import { goToDisk } from './go-to-disk.ts'

/** It never rejects, and returns after `LIMITS.evacuateMs` at the latest. */
export async function evacuate(host: Host): Promise<void> {
  const late = new AbortController()
  const timer = new AbortController()
  const limit = sleep(LIMITS.evacuateMs, undefined, { signal: timer.signal }).then(
    () => late.abort(),
    () => {},
  )
  await Promise.race([bringAll(host, late.signal), limit])
  timer.abort()
  const left = host.registry.all().filter(({ parked }) => parked === null).length
  host.log('evacuated', { on_disk: host.registry.all().length - left, left })
}

async function bringAll(host: Host, late: AbortSignal): Promise<void> {
  const failed = (vm: Vm) => (error: unknown) => host.log('evacuation-failed', { id: vm.id, ...describe(error) })
  const vms = host.registry.all()
  await Promise.all(vms.map((vm) => pauseVm(host, vm.id).catch(failed(vm))))
  const worker = async (): Promise<void> => {
    for (let vm = vms.shift(); vm !== undefined && !late.aborted; vm = vms.shift())
      await goToDisk(host, vm.id).catch(failed(vm))
  }
  await Promise.all(Array.from({ length: LIMITS.evacuationsAtOnceMax }, worker))
}
