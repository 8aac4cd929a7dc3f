/** What a machine is told when it goes on after a time in which the world went on without it. */
import { randomBytes } from 'node:crypto'
import type { GuestWake } from '../../shared/contracts/guest.ts'

const ENTROPY_BYTES = 64

/** Two clones share their template's random state until this reaches them, so it goes before their first command. */
export function wakeNow(hostname: string, env?: Record<string, string>): GuestWake {
  const wake = { now_ms: Date.now(), entropy: randomBytes(ENTROPY_BYTES).toString('base64'), hostname }
  return env === undefined ? wake : { ...wake, env }
}
