/** What a session is given by tests that do not look at what it tells. */
import type { GuestSessionOptions } from '../../../origin/hostd/guest/session.ts'

export const UNWATCHED: Pick<GuestSessionOptions, 'wire' | 'accuse'> = {
  wire: { noteBytes: () => {}, noteViolation: () => {} },
  accuse: () => {},
}
