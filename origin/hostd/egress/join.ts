/** Two connections become one: what either says goes to the other, no faster than it is taken. */
import type { Duplex } from 'node:stream'
import { LIMITS } from '../../../shared/limits.ts'
import type { Attempt } from './attempt.ts'

/**
 * `first` is what the process said before this, and says when the rest may go out; null ends it. What comes from outside comes at once.
 * Resolves when that side is closed: whether either had ended in order. One that has ended leaves the other a moment to do so, too,
 * and one that takes nothing any more is not waited for without end.
 */
export function join(
  process: Duplex,
  outside: Duplex,
  attempt: Attempt,
  first: Promise<Buffer | null>,
): Promise<boolean> {
  attempt.count('down', outside)
  endTogether(process, outside)
  const idle = setTimeout(() => outside.destroy(), LIMITS.egressIdleMs)
  let hasEnded = false
  for (const [from, to] of pairsOf(process, outside)) {
    from.on('data', () => idle.refresh())
    from.once('end', () => {
      hasEnded = true
    })
    // What was still to be said has been said.
    to.once('finish', () => linger(to))
  }
  outside.pipe(process)
  first.then((bytes) => {
    if (bytes === null) return outside.destroy()
    outside.write(bytes)
    process.pipe(outside)
  })
  return new Promise((resolve) => {
    outside.once('close', () => {
      clearTimeout(idle)
      resolve(hasEnded)
    })
  })
}

const pairsOf = (one: Duplex, other: Duplex): [Duplex, Duplex][] => [
  [one, other],
  [other, one],
]

/** What ends one of two ends the other. An error is heard here, so that it ends nobody's process. */
function endTogether(one: Duplex, other: Duplex): void {
  for (const [from, to] of pairsOf(one, other)) {
    if (from.destroyed) to.destroy()
    from.on('error', () => to.destroy()).once('close', () => to.destroy())
  }
}

/** A hostile process would keep what it has for ever. */
function linger(connection: Duplex): void {
  const timer = setTimeout(() => connection.destroy(), LIMITS.egressLingerMs)
  connection.once('close', () => clearTimeout(timer))
}
