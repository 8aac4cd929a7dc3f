/** Lets everybody else have the event loop between the slices of work that is done synchronously because that is fastest. */
import { setImmediate } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'

/** Call what it returns after every small piece of work: it waits one turn when a slice of time is used up. */
export function breather(): () => Promise<void> {
  let sinceMs = performance.now()
  return async () => {
    if (performance.now() - sinceMs < LIMITS.copySliceMs) return
    await setImmediate()
    sinceMs = performance.now()
  }
}
