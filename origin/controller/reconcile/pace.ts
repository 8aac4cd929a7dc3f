/**
 * How often each host is looked at: at every turn of the reconciler while the region is small, and when it is large so seldom that
 * the looks take a bounded share of one core, each host at a moment of its own. The bound on the wait keeps what is promised of a
 * crash: a look and the grace of a dead controller's work fit into 30 s.
 */
import CRC32 from 'crc-32'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'

export type Pace = {
  /** Whether it is this host's turn. Whoever hears yes looks. */
  take(host: string): boolean
  /** What there was to compare on the host. */
  compared(host: string, sandboxes: number): void
}

export function createPace(controller: Pick<Controller, 'hosts' | 'clock'>): Pace {
  const sizes = new Map<string, number>()
  const turns = new Map<string, number>()
  return {
    take(host) {
      const wait = waitMs(
        [...controller.hosts.keys()].reduce(
          (sum, name) => sum + (sizes.get(name) ?? 0) + LIMITS.reconcileSandboxesPerLook,
          0,
        ),
      )
      const turn = turnOf(controller.clock(), wait, placeOf(host))
      if (wait > LIMITS.reconcileMs && turns.get(host) === turn) return false
      turns.set(host, turn)
      return true
    },
    compared: (host, sandboxes) => void sizes.set(host, sandboxes),
  }
}

/** How long every host waits between two looks in a region of so many sandboxes. Pure. */
export const waitMs = (sandboxes: number): number =>
  Math.min(LIMITS.reconcileMsMax, Math.max(LIMITS.reconcileMs, (sandboxes * 1_000) / LIMITS.reconcileSandboxesPerSec))

/** The number of the present turn; `place` (0 to 1) says when in the wait it begins. A clock that was set is just another turn. Pure. */
export const turnOf = (nowMs: number, wait: number, place: number): number => Math.floor(nowMs / wait - place)

const placeOf = (host: string): number => (CRC32.str(host) >>> 0) / 2 ** 32
