/** Holds a machine still for as long as something takes, and no longer, whatever becomes of it. */
import { type Machine, resume, stop } from '../machine/machine.ts'

/** How long it stood still for this, in milliseconds: 0 when it did anyway. */
export async function standStill(
  machine: Machine,
  stance: 'runs' | 'stands',
  work: () => Promise<void>,
): Promise<number> {
  if (stance === 'stands') {
    await work()
    return 0
  }
  const sinceMs = performance.now()
  await stop(machine)
  try {
    await work()
  } finally {
    await resume(machine)
  }
  return performance.now() - sinceMs
}
