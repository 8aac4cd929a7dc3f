/** What a machine is told when it goes on after a time in which the world went on without it. */
import { randomBytes } from 'node:crypto'
import type { GuestWake } from '../../shared/contracts/guest.ts'

const ENTROPY_BYTES = 64

/**
 * Two clones share their template's random state until this reaches them, so it goes before their first command. What is left out stays as
 * it is inside.
 */
export const wakeNow = (hostname: string, changes: Pick<GuestWake, 'env' | 'egress'> = {}): GuestWake => ({
  now_ms: Date.now(),
  entropy: randomBytes(ENTROPY_BYTES).toString('base64'),
  hostname,
  ...changes,
})
