/** Counts what passes between this daemon and all its guests, and what guests did that ended them. */
import type { Wire } from '../guest/channel.ts'
import type { Metrics } from './instruments.ts'

export const wireOf = ({ guestBytes, guestViolations }: Metrics): Wire => ({
  noteBytes: (direction, bytes) => guestBytes.inc({ direction }, bytes),
  noteViolation: (kind) => guestViolations.inc({ kind }),
})
