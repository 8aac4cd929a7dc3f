/**
 * What sandboxes asked of the world outside, until somebody has collected it: a ring for each, so that the loudest pushes out nobody's entries
 * but its own. What goes wrong costs a sandbox nothing, so it is logged only so often; what is not is counted. In memory: what a daemon
 * that is killed has not told is lost.
 */
import type { EgressEntry, EgressLog } from '../../../shared/contracts/host-egress.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { createPace, type Pace } from './pace.ts'

export type NewEntry = Omit<EgressEntry, 'seq' | 'sandbox' | 'missed'>
type Ring = {
  entries: EgressEntry[]
  /** Since the last entry. */
  missed: number
  refusals: Pace
  lastAtMs: number
}

/** A daemon that starts counts on from where no daemon before can have been. */
const SEQ_PER_MS = 1_000

export class EgressRings {
  readonly #rings = new Map<string, Ring>()
  #seq: number

  constructor(nowMs: number) {
    this.#seq = nowMs * SEQ_PER_MS
  }

  note(sandbox: string, entry: NewEntry, nowMs: number = Date.now()): void {
    const ring = this.#rings.get(sandbox) ?? newRing()
    this.#rings.set(sandbox, ring)
    ring.lastAtMs = nowMs
    if (entry.action !== 'allowed' && !ring.refusals.takes(nowMs)) {
      ring.missed += 1
      return
    }
    this.#seq += 1
    ring.entries.push({
      ...entry,
      host: entry.host.slice(0, LIMITS.hostNameCharsMax),
      ...(entry.path === undefined ? {} : { path: entry.path.slice(0, LIMITS.egressLogPathCharsMax) }),
      seq: this.#seq,
      sandbox,
      missed: ring.missed,
    })
    ring.missed = 0
    if (ring.entries.length > LIMITS.egressLogEntriesMax) {
      const [dropped] = ring.entries.splice(0, 1)
      const oldest = ring.entries[0]
      if (dropped !== undefined && oldest !== undefined) oldest.missed += dropped.missed + 1
    }
  }

  /** What comes after an entry; that one and those before it are forgotten. */
  read(after: number): EgressLog {
    const found: EgressEntry[] = []
    for (const ring of this.#rings.values()) {
      ring.entries = ring.entries.filter(({ seq }) => seq > after)
      found.push(...ring.entries)
    }
    const entries = found.sort((a, b) => a.seq - b.seq).slice(0, LIMITS.egressLogAnswerMax)
    return { entries, next: entries.at(-1)?.seq ?? after }
  }

  /** Those of sandboxes that have ended go when nobody came for them. */
  sweep(isThere: (sandbox: string) => boolean, nowMs: number): void {
    for (const [sandbox, { lastAtMs }] of this.#rings)
      if (!isThere(sandbox) && nowMs - lastAtMs > LIMITS.egressLogKeptMs) this.#rings.delete(sandbox)
  }
}

const newRing = (): Ring => ({
  entries: [],
  missed: 0,
  refusals: createPace(
    () => LIMITS.egressLogRefusalsPerSec,
    () => LIMITS.egressLogEntriesMax,
  ),
  lastAtMs: 0,
})
