/** Waits for what must come right by itself, for much longer than it should take: a slow machine is no fault. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Breakers stay shut for long after a bad time, and debts are tried again more and more seldom. */
const IN_THE_END_MS = 120_000
const LOOK_AGAIN_MS = 100

/** Throws with the faults that are left after a generous while. */
export async function untilNone(look: () => Promise<string[]>): Promise<void> {
  const end = Date.now() + IN_THE_END_MS
  for (let left = await look(); left.length > 0; left = await look()) {
    if (Date.now() > end) throw new Error(`still after ${IN_THE_END_MS} ms: ${left.join('; ')}`)
    await sleep(LOOK_AGAIN_MS)
  }
}
